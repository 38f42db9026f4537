import { setImmediate as turn } from 'node:timers/promises';
import { expect } from 'chai';
import fc from 'fast-check';
import { fuzzRun } from '../../support/fuzzRun.js';
import { clientFrame, type RawClient } from '../../support/rawClient.js';
import { until } from '../../support/wait.js';
import { RawBench, wordsOf } from './support/rawBench.js';
import { ask, ping, text } from './support/rawCase.js';

/** What a connection may be ended with for what its peer sent (PROTOCOL "Close codes"); 1005: the close frame of the peer had no code. */
const FAULTS: ReadonlySet<number> = new Set([1002, 1003, 1005, 1007, 1009, 4008, 4009, 4100, 4204]);
const AT_A_TIME = 8;
const HEADERS = { 'Sec-WebSocket-Extensions': 'permessage-deflate' };

/** A frame, most of them sound in most respects, so that what is odd comes after the first check too. */
const frames: fc.Arbitrary<Buffer> = fc
  .record({
    opcode: fc.oneof({ weight: 6, arbitrary: fc.constantFrom(0, 1, 1, 2, 9, 10) }, fc.integer({ min: 0, max: 15 })),
    fin: fc.oneof({ weight: 3, arbitrary: fc.constant(true) }, fc.boolean()),
    rsv: fc.oneof({ weight: 6, arbitrary: fc.constant(0) }, fc.integer({ min: 0, max: 7 })),
    masked: fc.oneof({ weight: 9, arbitrary: fc.constant(true) }, fc.boolean()),
    payload: fc.oneof(
      fc.uint8Array({ maxLength: 140 }).map((bytes) => Buffer.from(bytes)),
      fc.constantFrom('', '{', '{}', '"', ask('1'), '\u20ac').map((value) => Buffer.from(value)),
    ),
    length: fc.option(fc.integer({ min: 0, max: 200_000 }), { freq: 8, nil: undefined }),
  })
  .map(({ payload, length, ...options }) =>
    clientFrame(payload, { ...options, ...(length === undefined ? {} : { length }) }),
  );

interface Stream {
  readonly phase: 'open' | 'unauthenticated';
  readonly bytes: Buffer;
  /** Where it is cut into segments. */
  readonly cuts: readonly number[];
}

const streams: fc.Arbitrary<Stream> = fc
  .record({
    phase: fc.constantFrom('open' as const, 'unauthenticated' as const),
    parts: fc.array(
      fc.oneof({ weight: 4, arbitrary: frames }, fc.constant(text(ask('good'))), fc.constant(ping('good'))),
      {
        minLength: 1,
        maxLength: 12,
      },
    ),
    /** A bit that flips on the way. */
    flip: fc.option(fc.nat(), { freq: 3 }),
    cuts: fc.array(fc.nat(400), { maxLength: 6 }),
  })
  .map(({ phase, parts, flip, cuts }) => {
    const bytes = Buffer.concat(parts);
    if (flip !== null && bytes.length > 0) {
      const at = Math.floor(flip / 8) % bytes.length;
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (flip % 8));
    }
    return { phase, bytes, cuts: [...cuts].sort((a, b) => a - b) };
  });

describe('raw frames: anything', () => {
  const run = fuzzRun(400);
  const bench = new RawBench();
  before(() => bench.start());
  after(() => bench.stop());

  async function send(client: RawClient, { bytes, cuts }: Stream): Promise<void> {
    client.socket.setNoDelay();
    let from = 0;
    for (const to of [...cuts, bytes.length]) {
      if (to > from && !client.ended) client.socket.write(bytes.subarray(from, to));
      from = Math.max(from, to);
      await turn();
    }
    // It says no more, and so the server has either ended it already or has nothing to wait for.
    client.socket.end();
    await until(() => client.ended, { what: () => `the end after ${bytes.toString('hex')}` });
  }

  /** What is wrong with the answers; null: nothing. */
  function found(client: RawClient, { phase }: Stream): string | null {
    const words = wordsOf(client);
    const code = client.closeCode;
    if (words.some((word) => word.startsWith('after the close'))) return 'something came behind the close frame';
    if (words.some((word) => word.startsWith('frame of'))) return 'a frame of no known kind';
    // A close frame of the peer with a code of its own is echoed.
    const isEcho = code !== null && code >= 3000;
    if (code !== null && !FAULTS.has(code) && !isEcho) return `the close code ${code}`;
    if (phase === 'unauthenticated' && client.messages.some(({ type }) => type !== 'error'))
      return 'a stranger was served';
    return null;
  }

  it(`whatever comes over TCP, in whatever segments, must be answered by frames of this protocol, and nobody else notice (${run.reported})`, async function () {
    this.timeout(20_000 + run.runs * 100);
    const wrong: string[] = [];
    const waiting = fc.sample(streams, { seed: run.seed, numRuns: run.runs });
    let ends = 0;
    const worker = async (): Promise<void> => {
      for (let next = waiting.shift(); next; next = waiting.shift()) {
        const client = await bench.connect(next.phase, HEADERS);
        await send(client, next);
        const fault = found(client, next);
        if (fault !== null) wrong.push(`${fault}: ${next.phase} ${next.bytes.toString('hex')} cut at ${next.cuts}`);
        if (client.closeCode !== null) ends += 1;
      }
    };
    await Promise.all(Array.from({ length: AT_A_TIME }, worker));
    expect(wrong).to.deep.equal([]);
    expect(ends, 'streams that were refused: a generator that makes none finds nothing').to.be.above(run.runs / 4);
    await bench.servesOn();
  });
});
