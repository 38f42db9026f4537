import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { FrameCounter } from './load/frames.js';
import { monoMs } from './load/procfs.js';
import { spread } from './load/stats.js';

/**
 * The reader for machines without a C compiler: native/reader.c in Node.js, with the same arguments, commands and answers. It may be the
 * bottleneck; the results say which reader was used.
 */
const PER_ADDRESS = 4000;
const CLOSE_MS = 10_000;
const MARK = Buffer.from('"sent":');

interface Peer {
  readonly index: number;
  readonly socket: Socket;
  readonly counter: FrameCounter;
  readonly sampled: boolean;
  readonly started: number;
  state: 'upgrading' | 'open' | 'closed';
  connected: boolean;
  greeted: number;
  frames: number;
}

const [port, file, concurrency, rate, greetings, sampleEvery, afterHex = ''] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string,
  string,
  string?,
];
const requests = readFileSync(file, 'latin1').split(/(?<=\r\n\r\n)/);
const after = Buffer.from(afterHex, 'hex');
const peers: Peer[] = [];
const closes: Record<string, number> = {};
let establishedCount: number[] = [];
let latencies: number[] = [];
let wanted = 0;
let counting = false;
let frames = 0;
let bytes = 0;
let reads = 0;
let complete = 0;
let first = 0;
let last = 0;
let pending = 0;
let connected = 0;
let failed = 0;
let began = 0;
let finished = 0;
let openCount = 0;
let connecting = false;
let closing: NodeJS.Timeout | null = null;

function tell(event: string, rest: object): void {
  process.stdout.write(`${JSON.stringify({ event, ...rest })}\n`);
}

function tellCounts(event: string): void {
  const latency = spread(latencies);
  tell(event, { open: openCount, complete, frames, bytes, reads, first, last, latency, closes });
}

function settle(): void {
  if (!connecting || connected + failed < requests.length) return;
  connecting = false;
  tell('connected', { connected, failed, ms: finished - began, establishTimes: spread(establishedCount) });
}

function startNext(): void {
  while (connecting && peers.length < requests.length && pending < Number(concurrency)) {
    const due = (peers.length * 1000) / Number(rate) - (monoMs() - began);
    if (Number(rate) > 0 && due > 0) {
      setTimeout(startNext, due);
      return;
    }
    start(peers.length);
  }
}

function start(index: number): void {
  const localAddress = `127.0.0.${2 + ((Math.floor(index / PER_ADDRESS) + process.pid) % 200)}`;
  const socket = connect({ port: Number(port), host: '127.0.0.1', localAddress, noDelay: true });
  const peer: Peer = {
    index,
    socket,
    counter: new FrameCounter(),
    sampled: Number(sampleEvery) > 0 && index % Number(sampleEvery) === 0,
    started: monoMs(),
    state: 'upgrading',
    connected: false,
    greeted: 0,
    frames: 0,
  };
  peers.push(peer);
  pending += 1;
  socket.write(requests[index] as string, 'latin1');
  socket.on('data', (chunk: Buffer) => onData(peer, chunk));
  // 'close' follows.
  socket.on('error', () => undefined);
  socket.on('close', () => drop(peer, 1006));
}

function onConnected(peer: Peer): void {
  peer.connected = true;
  finished = monoMs();
  establishedCount.push(finished - peer.started);
  connected += 1;
  pending -= 1;
  settle();
  startNext();
}

function onData(peer: Peer, chunk: Buffer): void {
  let data = chunk;
  if (peer.state === 'upgrading') {
    const end = chunk.indexOf('\r\n\r\n');
    if (end < 0 || chunk.subarray(9, 12).toString() !== '101') {
      peer.socket.destroy();
      return;
    }
    peer.state = 'open';
    openCount += 1;
    if (after.length > 0) peer.socket.write(after);
    if (Number(greetings) === 0) onConnected(peer);
    data = chunk.subarray(end + 4);
  } else if (counting) {
    bytes += chunk.length;
    reads += 1;
    last = monoMs();
    if (first === 0) first = last;
  }
  peer.counter.push(data, (opcode, payload) => onFrame(peer, opcode, payload));
  if (counting && wanted > 0 && openCount > 0 && complete === openCount) {
    tellCounts('counted');
    wanted = 0;
  }
}

function onFrame(peer: Peer, opcode: number, payload: Uint8Array | null): void {
  if (opcode === 9) peer.socket.write(Buffer.from([0x8a, 0x80, 0, 0, 0, 0]));
  if (opcode === 8) {
    peer.socket.end(Buffer.from([0x88, 0x80, 0, 0, 0, 0]));
    drop(peer, payload && payload.length >= 2 ? new DataView(payload.buffer, payload.byteOffset).getUint16(0) : 1005);
  }
  if (opcode !== 1 && opcode !== 2) return;
  if (!peer.connected) {
    peer.greeted += 1;
    if (peer.greeted >= Number(greetings)) onConnected(peer);
    return;
  }
  if (!counting) return;
  frames += 1;
  peer.frames += 1;
  if (peer.frames === wanted) complete += 1;
  if (!peer.sampled || payload === null) return;
  const text = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  const at = text.indexOf(MARK);
  if (at >= 0) latencies.push(monoMs() - Number.parseFloat(text.toString('latin1', at + MARK.length, at + 40)));
}

function drop(peer: Peer, code: number): void {
  if (peer.state === 'closed') return;
  if (!peer.connected) {
    failed += 1;
    pending -= 1;
    finished = monoMs();
  } else {
    closes[code] = (closes[code] ?? 0) + 1;
  }
  if (peer.state === 'open') {
    openCount -= 1;
    if (counting && peer.frames >= wanted) complete -= 1;
  }
  peer.state = 'closed';
  settle();
  startNext();
  if (closing && openCount === 0) tellClosed();
}

function tellClosed(): void {
  if (closing) clearTimeout(closing);
  closing = null;
  tellCounts('closed');
}

function command(line: string): void {
  const [name, argument] = line.split(' ');
  if (name === 'connect') {
    connecting = true;
    began = finished = monoMs();
    establishedCount = [];
    startNext();
  } else if (name === 'count') {
    wanted = Number(argument);
    frames = bytes = reads = complete = first = last = 0;
    latencies = [];
    counting = true;
    for (const peer of peers) peer.frames = 0;
  } else if (name === 'report') {
    tellCounts('report');
  } else if (name === 'close') {
    closing = setTimeout(tellClosed, CLOSE_MS);
    for (const peer of peers) {
      if (peer.state === 'open') peer.socket.write(Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]));
      else peer.socket.destroy();
    }
    if (openCount === 0) tellClosed();
  }
}

createInterface({ input: process.stdin })
  .on('line', command)
  .on('close', () => process.exit());
