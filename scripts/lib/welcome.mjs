import { bold, dim } from './terminal.mjs';

function commands(url, { admin, 'user-1': user }) {
  const api = `${url}/api/unified/ws`;
  const curl = `curl -sS -X POST -H 'Authorization: Bearer ${admin}'`;
  const event = JSON.stringify({ event_type: 'health_update', data: { status: 'ok' } });
  const listen = `node scripts/listen.mjs --url ${api.replace(/^http/, 'ws')} --token`;
  return [
    ['Connect as user-1 and watch (in another terminal, in this folder)', `${listen} ${user}`],
    [
      'Publish an event to all subscribers (users subscribe to this type by default)',
      `${curl} -H 'Content-Type: application/json' -d '${event}' ${api}/broadcast`,
    ],
    ['Disconnect user-1, on any node', `${curl} ${api}/disconnect/user-1`],
  ];
}

/** What `npm start` prints when the cluster is ready. */
export function welcome({ url, tokens, logFile, redis }) {
  const lines = [
    '',
    bold('Unified WebSocket cluster'),
    `  WebSocket   ${url.replace(/^http/, 'ws')}/api/unified/ws`,
    `  REST        ${url}/api/unified/ws/info`,
    `  Health      ${url}/readyz`,
    `  Metrics     ${url}/metrics`,
    `  Redis       ${redis.replace(/\/\/[^@/]*@/, '//***@')}`,
    `  Logs        tail -f ${logFile}`,
  ];
  if (tokens) {
    lines.push('', `${bold('Tokens')} ${dim('(valid for 12 h; more: npm run token -- --sub user-3 --role user)')}`);
    for (const [name, token] of Object.entries(tokens)) lines.push(`  ${name.padEnd(9)} ${token}`);
    for (const [meaning, command] of commands(url, tokens)) lines.push('', bold(meaning), command);
  } else {
    lines.push('', 'JWT_SECRET is not set, so tokens come from your issuer.');
  }
  lines.push('', dim('Ctrl-C stops everything.'));
  return lines.join('\n');
}
