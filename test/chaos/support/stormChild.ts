// A process of clients that all come back at once when their node dies (see stormCrowd.ts).
import { connect, type Socket } from 'node:net';
import { formatClient, formatResume } from '@unified-ws/protocol';
import { OPCODE, upgradeRequest } from '../../support/rawClient.js';
import { token } from '../../support/tokens.js';
import type { StormAnswer, StormOrder, StormTally } from './stormCrowd.js';

/** First connects that are under way at the same time: the crowd is to arrive in good order, and to come back in none. */
const AT_ONCE = 64;
/** Without a hint of the server: full jitter up to this, ms. A client of a node that died does not wait at all the first time. */
const BACKOFF_MS = 1000;
const NUMBER = /"storm":(\d+)/;
const POSITION = /"position":"([^"]+)"/;
const ESTABLISHED_POSITION = /"positions":\{"broadcast":"([^"]+)"/;

const tally = { refused: 0, ended: 0, longestHintMs: 0 };
/** Close codes that came to established connections. */
const codes: number[] = [];
const violations: string[] = [];
const clients = new Map<string, StormClient>();

/** A client that counts: each event of the storm is the one after the last. */
class StormClient {
  established = false;
  /** Of the last storm event; null before the first. */
  number: number | null = null;
  private position: string | null = null;
  private attempt = 0;
  /** Not all begin with the same node. */
  private readonly shift = Math.floor(Math.random() * 1000);
  private readonly token: string;
  private rest: Buffer = Buffer.alloc(0);
  private upgraded = false;

  constructor(
    readonly user: string,
    public ports: readonly number[],
  ) {
    this.token = token(user);
  }

  dial(onEstablished: () => void = () => undefined): void {
    this.attempt += 1;
    this.rest = Buffer.alloc(0);
    this.upgraded = false;
    const port = this.ports[(this.shift + this.attempt) % this.ports.length] as number;
    const query = new URLSearchParams({ client: formatClient(`storm-${this.user}`, this.attempt) });
    if (this.position !== null) query.set('resume', formatResume(this.position, null));
    const socket = connect({ port, host: '127.0.0.1' });
    let waitMs: number | null = null;
    socket.on('connect', () => socket.write(upgradeRequest({ token: this.token, query: query.toString() })));
    socket.on('data', (chunk: Buffer) => {
      waitMs = this.receive(socket, chunk) ?? waitMs;
      if (this.established) onEstablished();
    });
    // `close` follows.
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      if (this.established) tally.ended += 1;
      const wasEstablished = this.established;
      this.established = false;
      const delay = waitMs ?? (wasEstablished ? 0 : Math.random() * BACKOFF_MS);
      if (delay === 0) this.dial(onEstablished);
      else setTimeout(() => this.dial(onEstablished), delay);
    });
  }

  /** How long to stay away, ms, when the server says so. */
  private receive(socket: Socket, chunk: Buffer): number | null {
    this.rest = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk]);
    if (!this.upgraded) {
      const end = this.rest.indexOf('\r\n\r\n');
      if (end === -1) return null;
      const head = this.rest.toString('latin1', 0, end);
      this.rest = this.rest.subarray(end + 4);
      if (!head.startsWith('HTTP/1.1 101')) {
        tally.refused += 1;
        const waitMs = 1000 * Number(/^retry-after: (\d+)/im.exec(head)?.[1] ?? 0);
        tally.longestHintMs = Math.max(tally.longestHintMs, waitMs);
        if (waitMs === 0) violations.push(`${this.user} was refused without a hint: ${head.split('\r\n', 1)[0]}`);
        socket.destroy();
        return waitMs || null;
      }
      this.upgraded = true;
    }
    while (this.frame(socket));
    return null;
  }

  private frame(socket: Socket): boolean {
    const { rest } = this;
    const [first, second] = rest;
    if (first === undefined || second === undefined) return false;
    const header = second === 126 ? 4 : second === 127 ? 10 : 2;
    if (rest.length < header) return false;
    const length = second === 126 ? rest.readUInt16BE(2) : second === 127 ? Number(rest.readBigUInt64BE(2)) : second;
    if (rest.length < header + length) return false;
    const text = rest.toString('latin1', header, header + length);
    this.rest = rest.subarray(header + length);
    if ((first & 0x0f) === OPCODE.CLOSE) {
      const code = length < 2 ? 1005 : rest.readUInt16BE(header);
      if (this.established) codes.push(code);
      if (code < 4200 || code > 4299) violations.push(`${this.user} was ended with ${code}`);
      socket.destroy();
    } else if ((first & 0x0f) === OPCODE.TEXT) {
      this.message(text);
    }
    return true;
  }

  private message(text: string): void {
    if (text.includes('"type":"connection_established"')) {
      this.established = true;
      const resumed = /"resume":\{"broadcast":"(\w+)"/.exec(text)?.[1];
      if (this.position !== null && resumed !== 'full') violations.push(`${this.user} resumed ${resumed}`);
      this.position ??= ESTABLISHED_POSITION.exec(text)?.[1] ?? null;
      return;
    }
    if (text.includes('"type":"gap"')) violations.push(`${this.user} was told of a gap: ${text}`);
    const [, digits] = NUMBER.exec(text) ?? [];
    if (digits === undefined) return;
    const number = Number(digits);
    if (this.number !== null && number !== this.number + 1) {
      violations.push(`${this.user} got ${number} after ${this.number}`);
    }
    this.number = number;
    this.position = POSITION.exec(text)?.[1] ?? this.position;
  }
}

async function enter(users: readonly string[], ports: readonly number[]): Promise<void> {
  const left = [...users];
  const work = async (): Promise<void> => {
    for (let user = left.pop(); user !== undefined; user = left.pop()) {
      const client = new StormClient(user, ports);
      clients.set(user, client);
      await new Promise<void>((resolve) => client.dial(resolve));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

function read(): StormTally {
  const all = [...clients.values()];
  const numbers = all.map(({ number }) => number ?? -1);
  return {
    ...tally,
    codes: codes.slice(0, 10),
    violations: violations.slice(0, 10),
    established: all.filter(({ established }) => established).length,
    least: Math.min(...numbers),
    most: Math.max(...numbers),
  };
}

process.on('message', (order: StormOrder) => {
  const answer = (): void => {
    process.send?.({ id: order.id, tally: read() } satisfies StormAnswer);
  };
  if (order.ports !== undefined) for (const client of clients.values()) client.ports = order.ports;
  if (order.enter === undefined) answer();
  else void enter(order.enter, order.ports ?? []).then(answer);
});
process.on('disconnect', () => process.exit());
