import { once } from 'node:events';
import { getActiveResourcesInfo } from 'node:process';
import { setImmediate as turn } from 'node:timers/promises';
import { expect } from 'chai';
import { logOf, storedEvent } from '../../../node/support/events.js';
import { type LocalNode, World } from '../../../node/support/world.js';
import type { TestClient } from '../../../support/client.js';
import { clientFrame, OPCODE, RawClient, type RawFrame } from '../../../support/rawClient.js';
import { token } from '../../../support/tokens.js';
import { until } from '../../../support/wait.js';
import type { Phase, RawCase } from './rawCase.js';

/** What the last message of a case asks, to see that the connection goes on. */
const AFTER = 'after';
/** Messages of the server that come by themselves. */
const UNASKED: ReadonlySet<string> = new Set(['connection_established', 'heartbeat']);

/** A node that serves one connection of another user all the time, while raw cases are tried on it. */
export class RawBench {
  readonly world = new World();
  private local: LocalNode | null = null;
  private other: TestClient | null = null;
  private rejections: unknown[] = [];
  private socketsBefore = 0;
  private tried = 0;
  private readonly onRejection = (reason: unknown): void => {
    this.rejections.push(reason);
  };

  async start(env: Readonly<Record<string, string>> = {}): Promise<void> {
    this.socketsBefore = sockets();
    process.on('unhandledRejection', this.onRejection);
    await this.world.start();
    // A command that a loaded machine answers late would be reported, and taken for a fault that a peer has made.
    this.local = await this.world.node({ REDIS_COMMAND_TIMEOUT_MS: '10000', ...env });
    this.other = await this.world.connect(this.local, 'bystander');
  }

  get node(): LocalNode {
    if (!this.local) throw new Error('the bench has not started');
    return this.local;
  }

  private get bystander(): TestClient {
    if (!this.other) throw new Error('the bench has not started');
    return this.other;
  }

  /** One `it` per phase of each case. */
  all(cases: readonly RawCase[]): void {
    for (const one of cases) {
      for (const phase of one.phases ?? ['open']) {
        const before = phase === 'unauthenticated' ? 'before authentication: ' : '';
        it(`${before}${one.name} (${one.rule})`, async () => {
          expect(await this.tale(one, phase)).to.be.oneOf(alternatives(one).map((words) => words.join(' | ')));
          await this.servesOn();
        });
      }
    }
  }

  /** A connection in a phase. */
  async connect(phase: Phase, headers: Readonly<Record<string, string>> = {}): Promise<RawClient> {
    this.tried += 1;
    if (phase === 'unauthenticated') return this.world.raw(this.node, { headers });
    const client = await this.world.raw(this.node, { token: token(this.world.user('raw')), headers });
    await client.waitFor('connection_established');
    return client;
  }

  /** The bystander is answered, and gets its events. */
  async servesOn(): Promise<void> {
    expect((await this.bystander.request('ping')).type).to.equal('pong');
    const event = storedEvent({ after: this.tried });
    await logOf(this.world.redis).append([event]);
    await this.bystander.waitFor('custom_event', ({ id }) => id === event.id);
  }

  /** Nothing is left of all the cases: no connection, no socket, no rejection, no fault of the node's own. */
  async stop(): Promise<void> {
    try {
      await this.world.endClients();
      await until(async () => (await this.metric('uws_connections{')) === 0, { what: 'all connections are gone' });
      expect(await this.metric('uws_connections_pending_auth '), 'pending').to.equal(0);
      expect(await this.series('uws_reports_total'), 'faults of the node').to.deep.equal([]);
    } finally {
      await this.world.stop();
      process.off('unhandledRejection', this.onRejection);
    }
    expect(this.rejections).to.deep.equal([]);
    await until(() => sockets() <= this.socketsBefore, {
      what: () => `no socket is left: ${getActiveResourcesInfo()}`,
    });
  }

  /** The sum of a metric's series. */
  async metric(start: string): Promise<number> {
    return (await this.series(start)).reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
  }

  private async series(start: string): Promise<string[]> {
    const text = await (await fetch(`${this.node.http}/metrics`)).text();
    return text.split('\n').filter((line) => line.startsWith(start));
  }

  /** All that came back, a word for each; a connection that goes on is asked for one answer more. */
  private async tale(one: RawCase, phase: Phase): Promise<string> {
    const client = await this.connect(phase, one.headers);
    client.socket.setNoDelay();
    for (const piece of one.send) {
      if (piece === 'fin') client.socket.end();
      else if (piece === 'reset') client.socket.resetAndDestroy();
      else if (!client.socket.destroyed) client.socket.write(piece);
      await turn();
    }
    const goesOn = alternatives(one).some((words) => words.at(-1) === AFTER);
    if (goesOn) client.socket.write(afterwards(phase, this.world.user('raw')));
    const over = (): boolean => client.ended || (goesOn && wordsOf(client).at(-1) === AFTER);
    const reported = (): string => [...wordsOf(client), ...(client.ended ? ['end'] : [])].join(' | ');
    await until(() => over() || client.closeCode !== null, { what: () => `${one.name}: ${reported()}` });
    if (!over() && one.answers !== false) client.send(closeBody(client), { opcode: OPCODE.CLOSE });
    await until(over, { what: () => `${one.name}: ${reported()}` });
    const words = reported();
    client.destroy();
    return words;
  }
}

function alternatives({ back }: RawCase): readonly (readonly string[])[] {
  return typeof back[0] === 'string' || back.length === 0
    ? [back as readonly string[]]
    : (back as readonly (readonly string[])[]);
}

/** The answers of a raw client as words: see `RawCase.back`. */
export function wordsOf(client: RawClient): string[] {
  return client.frames.flatMap((frame, index) => {
    const late = client.frames.slice(0, index).some(({ opcode }) => opcode === OPCODE.CLOSE);
    const word = wordOf(frame);
    return word === null && !late ? [] : [late ? `after the close: ${word}` : String(word)];
  });
}

function wordOf({ opcode, rsv, payload }: RawFrame): string | null {
  if (opcode === OPCODE.PONG) return `pong ${payload.toString('latin1')}`;
  if (opcode === OPCODE.CLOSE) {
    const reason = payload.subarray(2).toString();
    return `close ${payload.length < 2 ? 'empty' : payload.readUInt16BE(0)}${reason === '' ? '' : ` ${reason}`}`;
  }
  if (opcode !== OPCODE.TEXT || rsv !== 0) return `frame of opcode ${opcode}, reserved bits ${rsv}`;
  const message = JSON.parse(payload.toString());
  if (message.reply_to !== undefined) return message.reply_to;
  if (message.scope !== undefined || UNASKED.has(message.type)) return null;
  return message.type === 'error' ? message.data.error_code : message.type;
}

function afterwards(phase: Phase, user: string): Buffer {
  if (phase === 'open') return clientFrame(JSON.stringify({ type: 'ping', id: AFTER }));
  return clientFrame(JSON.stringify({ type: 'authenticate', data: { token: token(user) }, id: AFTER }));
}

function closeBody(client: RawClient): Buffer {
  const close = client.frames.find(({ opcode }) => opcode === OPCODE.CLOSE);
  return close?.payload.subarray(0, 2) ?? Buffer.alloc(0);
}

function sockets(): number {
  return getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap' || name === 'TCPServerWrap').length;
}

/** First bytes of TCP, and what was answered: for what is no proper upgrade. */
export async function answered(port: number, pieces: readonly (string | Buffer)[]): Promise<RawClient> {
  const client = new RawClient(port);
  await once(client.socket, 'connect');
  client.socket.setNoDelay();
  for (const piece of pieces) {
    client.socket.write(piece);
    await turn();
  }
  await until(() => client.status !== null || client.ended, { what: 'an answer' });
  return client;
}
