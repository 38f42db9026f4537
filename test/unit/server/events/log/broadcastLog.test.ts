import { randomBytes } from 'node:crypto';
import { WHOLE_IDS, type WholeIds } from '@unified-ws/server/events/event/rememberedId';
import {
  BroadcastLog,
  type BroadcastLogParts,
  type LogEntry,
  parseBatch,
} from '@unified-ws/server/events/log/broadcastLog';
import { createRedis, parseRedisUrl, type RedisClient } from '@unified-ws/server/redis/connect';
import { Keys } from '@unified-ws/server/redis/keys';
import { CLOCK_STEP_MS } from '@unified-ws/server/util/clock';
import { expect } from 'chai';
import { type RedisServer, startRedis } from '../../../../support/redis.js';
import { HISTORY, logged, storedEvent, until } from '../support.js';

describe('broadcast log', function () {
  this.timeout(20_000);

  let server: RedisServer;
  let redis: RedisClient;
  const keys = new Keys('uws');

  before(async () => {
    server = await startRedis();
    redis = createRedis(parseRedisUrl(server.url), 'command', { commandTimeoutMs: 2000, name: 'test' });
    await redis.connect();
  });

  beforeEach(async () => {
    await redis.flushall();
  });

  after(async () => {
    redis.disconnect();
    await server.stop();
  });

  function open(parts: Partial<BroadcastLogParts> = {}): BroadcastLog {
    return new BroadcastLog({ redis, keys, random: randomBytes, ...HISTORY, ...parts });
  }

  /** Batches as the nodes hear them. */
  async function listen(): Promise<string[]> {
    const heard: string[] = [];
    const subscriber = server.client();
    subscriber.on('message', (_channel: string, message: string) => heard.push(message));
    await subscriber.subscribe(keys.eventsChannel());
    return heard;
  }

  /** Sum of the JSON of what the stream holds, which the meta must know exactly. */
  async function bytes(): Promise<{ counted: number; real: number }> {
    const rows = await redis.xrange(keys.logStream(), '-', '+');
    const real = rows.reduce((sum, [, fields]) => sum + Buffer.byteLength(fields[5] ?? ''), 0);
    return { counted: Number(await redis.hget(keys.logMeta(), 'bytes')), real };
  }

  it('makes the epoch once, also when several nodes ask for the head or append at the same time', async () => {
    const logs = [open(), open(), open()];
    const epochs = await Promise.all([
      ...logs.map(async (log) => (await log.head()).epoch),
      ...logs.map(async (log, index) => (await log.append([storedEvent(`e${index}`)])).epoch),
    ]);
    expect(new Set(epochs).size).to.equal(1);
    expect(epochs[0]).to.match(/^[A-Za-z0-9_-]{12}$/);
  });

  it('gives offsets without holes and the head that belongs to the newest entry', async () => {
    const log = open();
    expect(await log.head()).to.include({ offset: 0, tag: '' });
    const results = await Promise.all([
      log.append([storedEvent('a'), storedEvent('b')]),
      log.append([storedEvent('c')]),
      log.append([]),
    ]);
    expect(results.map(({ offsets }) => offsets)).to.deep.equal([[1, 2], [3], []]);
    const entries = await logged(log);
    expect(entries.map(({ offset, event }) => [offset, event.id])).to.deep.equal([
      [1, 'a'],
      [2, 'b'],
      [3, 'c'],
    ]);
    expect(await log.head()).to.include({ offset: 3, tag: entries[2]?.tag });
    expect(new Set(entries.map(({ tag }) => tag)).size).to.equal(3);
  });

  it('publishes batches that equal the stream, each linked to the one before by its tag', async () => {
    const heard = await listen();
    const log = open();
    const text = 'ünïcode "quoted" \u2028 \\ \ud83d\ude00';
    await log.append([storedEvent('a', { text }), storedEvent('b', { deep: { list: [1, 2.5, null, true] } })]);
    await log.append([storedEvent('b'), storedEvent('c')]);
    await log.append([storedEvent('c')]);
    await until('two batches', () => heard.length === 2);
    const batches = heard.map(parseBatch);
    const entries = await logged(log);
    // `bytes` is an estimate for the window: a batch knows only its own length.
    const known = ({ offset, tag, event }: LogEntry): unknown => ({ offset, tag, event });
    expect(batches.flatMap((batch) => batch.entries.map(known))).to.deep.equal(entries.map(known));
    expect(entries[0]?.event.data).to.deep.equal({ text });
    const [first, second] = batches;
    expect(first?.prevTag).to.equal('');
    expect(second?.prevTag).to.equal(entries[1]?.tag);
    expect(second?.epoch).to.equal((await log.head()).epoch);
  });

  it('refuses a batch without events, which would have no place in the log', () => {
    expect(() => parseBatch('{"epoch":"e","first":1,"prev_tag":"","events":[]}')).to.throw();
    expect(() => parseBatch('nonsense')).to.throw();
  });

  it('appends an id once: within a call, between calls, and between nodes (L2)', async () => {
    const one = open();
    const other = open();
    const first = await one.append([storedEvent('a'), storedEvent('a'), storedEvent('b')]);
    expect(first.offsets).to.deep.equal([1, 0, 2]);
    const again = await other.append([storedEvent('b'), storedEvent('c'), storedEvent('a')]);
    expect(again.offsets).to.deep.equal([0, 3, 0]);
    expect((await logged(one)).map(({ event }) => event.id)).to.deep.equal(['a', 'b', 'c']);
    expect(await one.seen(['a', 'x', 'c'])).to.deep.equal([true, false, true]);
    expect(await one.seen([])).to.deep.equal([]);
  });

  it('remembers ids for one window and forgets them after two, so that what is remembered stays bounded', async () => {
    const log = open({ idempotencyWindowMs: 1_000_000 });
    const rotate = async (): Promise<void> => {
      await redis.hincrby(keys.logMeta(), 'ids_since', -1_000_000);
    };
    await log.append([storedEvent('a')]);
    await rotate();
    expect((await log.append([storedEvent('a')])).offsets).to.deep.equal([0]);
    await log.append([storedEvent('b')]);
    expect(await log.seen(['a', 'b'])).to.deep.equal([true, true]);
    await rotate();
    await log.append([storedEvent('c')]);
    expect(await log.seen(['a', 'b'])).to.deep.equal([false, true]);
    // Where nothing is appended any more they end by themselves.
    expect(await redis.pttl(keys.logIds('b'))).to.be.within(1, 2_000_000 + 2 * CLOCK_STEP_MS);
  });

  it('a node of the build before finds the ids of this one, and the other way round (L2)', async () => {
    let wholeIds: WholeIds = WHOLE_IDS.written;
    const log = open({ wholeIds: () => wholeIds });
    await log.append([storedEvent('a')]);
    expect(await redis.smembers(keys.logSeenA())).to.deep.equal(['a']);
    await redis.sadd(keys.logSeenA(), 'b');
    expect((await log.append([storedEvent('a'), storedEvent('b'), storedEvent('c')])).offsets).to.deep.equal([0, 0, 2]);
    wholeIds = WHOLE_IDS.read;
    expect((await log.append([storedEvent('b'), storedEvent('d')])).offsets).to.deep.equal([0, 3]);
    expect(await log.seen(['b', 'x'])).to.deep.equal([true, false]);
    expect(await redis.sismember(keys.logSeenA(), 'd')).to.equal(0);
    wholeIds = WHOLE_IDS.no;
    await redis.hincrby(keys.logMeta(), 'ids_since', -900_000);
    await log.append([storedEvent('e')]);
    expect(await redis.exists(keys.logSeenA(), keys.logSeenB())).to.equal(0);
  });

  it('trims to HISTORY_SIZE exactly, and its bytes are exact', async () => {
    const log = open({ historySize: 10 });
    for (let start = 0; start < 60; start += 7) {
      await log.append(
        Array.from({ length: 7 }, (_, index) => storedEvent(`e${start + index}`, { pad: 'ü'.repeat(index) })),
      );
      expect(await redis.xlen(keys.logStream())).to.equal(Math.min(10, start + 7));
      const { counted, real } = await bytes();
      expect(counted).to.equal(real);
    }
    expect((await logged(log)).map(({ offset }) => offset)).to.deep.equal([54, 55, 56, 57, 58, 59, 60, 61, 62, 63]);
  });

  it('trims to HISTORY_BYTES, and keeps the newest entry whatever its size', async () => {
    const log = open({ historyBytes: 5000 });
    for (let index = 0; index < 50; index += 1) {
      await log.append([storedEvent(`e${index}`, { pad: 'x'.repeat((index * 97) % 700) })]);
      const { counted, real } = await bytes();
      expect(counted).to.equal(real);
      expect(real).to.be.at.most(5000);
    }
    expect((await bytes()).real).to.be.above(4000);
    await log.append([storedEvent('huge', { pad: 'x'.repeat(10_000) })]);
    expect((await logged(log)).map(({ event }) => event.id)).to.deep.equal(['huge']);
    const { counted, real } = await bytes();
    expect(counted).to.equal(real);
  });

  it('drops what is older than HISTORY_TTL_MS, with the next append or, without one, by itself', async () => {
    const log = open({ historyTtlMs: 60 });
    await log.append([storedEvent('old')]);
    const began = Date.now();
    await until('its age', () => Promise.resolve(Date.now() - began > 30));
    await log.append([storedEvent('young')]);
    await until('the trim of the first', async () => {
      await log.append([storedEvent('tick')]);
      return !(await logged(log)).some(({ event }) => event.id === 'old');
    });
    await until('the end of the history', async () => (await logged(log)).length === 0);
    // Redis takes the memory back by its own clock, which may step.
    expect(await redis.pttl(keys.logStream())).to.be.at.most(CLOCK_STEP_MS + 60);
    const head = await log.head();
    await log.append([storedEvent('later')]);
    expect((await logged(log)).map(({ offset }) => offset)).to.deep.equal([head.offset + 1]);
    const { counted, real } = await bytes();
    expect(counted).to.equal(real);
  });

  it('trims a lowered limit off in steps, so that one append does not block Redis', async () => {
    await open().append(Array.from({ length: 200 }, (_, index) => storedEvent(`e${index}`)));
    const lowered = open({ historySize: 10 });
    const lengths: number[] = [];
    for (let index = 0; index < 8; index += 1) {
      await lowered.append([storedEvent(`n${index}`)]);
      lengths.push(await redis.xlen(keys.logStream()));
      const { counted, real } = await bytes();
      expect(counted).to.equal(real);
    }
    expect(lengths).to.deep.equal([168, 136, 104, 72, 40, 10, 10, 10]);
  });

  it('reads a range in pages and skips what is gone', async () => {
    const log = open({ historySize: 5 });
    for (let index = 1; index <= 12; index += 1) await log.append([storedEvent(`e${index}`)]);
    const offsets = async (from: number, to: number, limit: number): Promise<number[]> =>
      (await log.read(from, to, limit)).map(({ offset }) => offset);
    expect(await offsets(8, 11, 100)).to.deep.equal([9, 10, 11]);
    expect(await offsets(0, 12, 2)).to.deep.equal([8, 9]);
    expect(await offsets(12, 12, 10)).to.deep.equal([]);
    expect(await offsets(12, 20, 10)).to.deep.equal([]);
  });

  it('starts a new life with a new epoch when Redis was emptied, so that old positions do not fit by chance', async () => {
    const log = open();
    await log.append([storedEvent('a')]);
    const before = await log.head();
    await redis.flushall();
    const { epoch, offsets } = await log.append([storedEvent('a')]);
    expect(offsets).to.deep.equal([1]);
    expect(epoch).not.to.equal(before.epoch);
  });

  it('appends nothing and publishes nothing when Redis is full, and goes on afterwards', async () => {
    const heard = await listen();
    const log = open();
    await log.append([storedEvent('a')]);
    await redis.config('SET', 'maxmemory', '1');
    try {
      let refused: unknown;
      await log.append([storedEvent('b')]).catch((error: unknown) => {
        refused = error;
      });
      expect(String(refused)).to.match(/OOM/);
    } finally {
      await redis.config('SET', 'maxmemory', '0');
    }
    expect((await log.append([storedEvent('b')])).offsets).to.deep.equal([2]);
    await until('both batches', () => heard.length === 2);
  });
});
