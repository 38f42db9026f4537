import { bold, dim } from './terminal.mjs';

function commands(url, { admin, 'user-1': user }) {
  const api = `${url}/api/unified/ws`;
  const curl = `curl -sS -X POST -H 'Authorization: Bearer ${admin}'`;
  const event = JSON.stringify({ event_type: 'health_update', data: { status: 'ok' } });
  const listen = `node scripts/listen.mjs --url ${api.replace(/^http/, 'ws')} --token`;
  return [
    ['Connect as user-1 (in another terminal, in this folder) and watch', `${listen} ${user}`],
    [
      'Publish an event to everybody who subscribed to it (users are, by default)',
      `${curl} -H 'Content-Type: application/json' -d '${event}' ${api}/broadcast`,
    ],
    ['Disconnect user-1, whichever node holds the connection', `${curl} ${api}/disconnect/user-1`],
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
    lines.push('', `${bold('Tokens')} ${dim('(12 h; further ones: npm run token -- --sub user-3 --role user)')}`);
    for (const [name, token] of Object.entries(tokens)) lines.push(`  ${name.padEnd(9)} ${token}`);
    for (const [meaning, command] of commands(url, tokens)) lines.push('', bold(meaning), command);
  } else {
    lines.push('', 'Tokens come from your issuer: JWT_SECRET is not set.');
  }
  lines.push('', dim('Ctrl-C ends everything.'));
  return lines.join('\n');
}
