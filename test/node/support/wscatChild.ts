// Stands in for wscat: dials as its arguments say, and plays the transcript of the page (TRANSCRIPT): what comes must be what stands
// behind `<`, in this order, with `…` for anything; what stands behind `>` is sent. An event is published when it is its turn (PUBLISH: URL
// and token). Heartbeats may come at any time.
import { parseArgs } from 'node:util';
import { WebSocket } from 'ws';

const { values } = parseArgs({
  options: {
    connect: { type: 'string', short: 'c' },
    subprotocol: { type: 'string', short: 's' },
    header: { type: 'string', short: 'H', multiple: true, default: [] },
  },
});
const lines = (process.env.TRANSCRIPT ?? '').split('\n').filter(Boolean);
if (lines.length === 0) throw new Error('no transcript follows the example');
const headers = Object.fromEntries((values.header ?? []).map((line) => line.split(/:\s*/, 2) as [string, string]));
const socket = new WebSocket(values.connect ?? '', values.subprotocol ?? [], { headers });

function fits(line: string, text: string): boolean {
  const pattern = line
    .split('…')
    .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
    .join('.*');
  return new RegExp(`^${pattern}$`).test(text);
}

/** Goes on to the next line that something has to come for. */
async function play(): Promise<void> {
  while (lines[0]?.startsWith('> ')) socket.send(lines.shift()?.slice(2) ?? '');
  const [next] = lines;
  if (next === undefined) {
    socket.close(1000);
    return;
  }
  if (!next.includes('"scope":')) return;
  const [, type = ''] = /"type":"(\w+)"/.exec(next) ?? [];
  const [url = '', token = ''] = (process.env.PUBLISH ?? '').split(' ');
  const body = JSON.stringify({ event_type: type, data: { status: 'ok' } });
  const sent = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  await (await fetch(url, { method: 'POST', headers: sent, body })).arrayBuffer();
}

socket.on('message', (data) => {
  const text = String(data);
  if ((JSON.parse(text) as { type: string }).type === 'heartbeat') return;
  const expected = lines.shift()?.slice(2) ?? '(nothing)';
  if (!fits(expected, text)) throw new Error(`this came:\n${text}\nthe page says:\n${expected}`);
  void play();
});
socket.on('close', (code, reason) => {
  if (lines.length > 0) throw new Error(`closed ${code} ${reason} before ${lines[0]}`);
});
