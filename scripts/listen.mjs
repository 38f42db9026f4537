// node scripts/listen.mjs [--token TOKEN] [--sub user-1] [--role user] [--url ws://127.0.0.1:8080/api/unified/ws]
// [--subscribe type,type]: connects and prints every message; lines typed in are sent. Ends when the server closes.
import readline from 'node:readline';
import util from 'node:util';
import { parseLifetime, signToken } from './lib/dev-tokens.mjs';
import { entry, Stop } from './lib/entry.mjs';
import { onStopSignals } from './lib/processes.mjs';
import { bold, dim } from './lib/terminal.mjs';

const OPTIONS = {
  token: { type: 'string' },
  sub: { type: 'string', default: 'user-1' },
  role: { type: 'string', multiple: true, default: ['user'] },
  url: { type: 'string', default: 'ws://127.0.0.1:8080/api/unified/ws' },
  subscribe: { type: 'string' },
};

function parse(args) {
  try {
    return util.parseArgs({ args, options: OPTIONS }).values;
  } catch (error) {
    throw new Stop(error.message);
  }
}

function show(text) {
  const message = JSON.parse(text);
  const kind = message.scope ? `event ${message.type}` : message.type;
  console.log(`${dim(new Date().toISOString().slice(11, 23))} ${bold(kind)} ${JSON.stringify(message.data)}`);
}

entry(async (args) => {
  const { token, sub, role: roles, url, subscribe } = parse(args);
  // Imported here: the check of Node.js comes first, and the installation may be missing.
  const { WebSocket } = await import('ws').catch((error) => {
    throw new Stop(`${error.message}\nInstall the dependencies first: npm ci`);
  });
  const given = token ?? signToken({ sub, roles, lifetime: parseLifetime('12h') });
  const socket = new WebSocket(url, { headers: { authorization: `Bearer ${given}` } });
  socket.on('message', (data) => show(data.toString()));
  // connection_established: until then the server takes nothing but a token.
  socket.once('message', () => {
    const types = subscribe?.split(',');
    if (types) socket.send(JSON.stringify({ type: 'subscribe_events', data: { event_types: types } }));
    readline.createInterface({ input: process.stdin }).on('line', (line) => socket.send(line));
  });
  // 'close' follows and ends the program.
  socket.on('error', (error) => console.error(`${url}: ${error.message || error.code}`));
  onStopSignals(() => socket.close(1000));
  socket.on('close', (code, reason) => {
    console.log(`closed ${code} ${reason}`);
    process.exit(code === 1000 ? 0 : 1);
  });
});
