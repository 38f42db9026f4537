import { randomBytes } from 'node:crypto';
import { WHOLE_IDS, type WholeIds } from '@unified-ws/server/events/event/rememberedId';
import type { StoredEvent } from '@unified-ws/server/events/event/storedEvent';
import {
  type AppendedMail,
  Mailboxes,
  type MailboxesParts,
  type MailPositions,
} from '@unified-ws/server/events/mailbox/mailboxes';
import { createRedis, parseRedisUrl, type RedisClient } from '@unified-ws/server/redis/connect';
import { Keys } from '@unified-ws/server/redis/keys';
import { RegistryStore } from '@unified-ws/server/registry/store/registryStore';
import type { ClaimAnswer, Claimant } from '@unified-ws/server/registry/store/registryTypes';
import { CLOCK_STEP_MS } from '@unified-ws/server/util/clock';
import { expect } from 'chai';
import { type RedisServer, startRedis } from '../../../../support/redis.js';
import { failure, MAILBOX, storedEvent, until } from '../support.js';

const events = (count: number, from = 0): StoredEvent[] =>
  Array.from({ length: count }, (_, n) => storedEvent(`e${from + n}`, { n: from + n }));

// Each rule of box.lua, ack.lua and boxread.lua was seen to be missed with its line taken out.
const offsetsOf = (positions: MailPositions): number[] => positions.map((position) => position?.offset ?? 0);

describe('mailbox', function () {
  this.timeout(20_000);

  let server: RedisServer;
  let redis: RedisClient;
  const keys = new Keys('uws');
  const user = 'ü/{x}';
  const mail: AppendedMail[] = [];

  before(async () => {
    server = await startRedis();
    redis = createRedis(parseRedisUrl(server.url), 'command', { commandTimeoutMs: 2000, name: 'test' });
    await redis.connect();
  });
  beforeEach(async () => {
    mail.length = 0;
    await redis.flushall();
  });
  after(async () => {
    redis.disconnect();
    await server.stop();
  });

  function open(limits: Partial<MailboxesParts> = {}): Mailboxes {
    const onAppended = (appended: AppendedMail): void => {
      mail.push(appended);
    };
    return new Mailboxes({ redis, keys, random: randomBytes, ...MAILBOX, ...limits, onAppended });
  }

  async function claim(id: string, mailOffset?: number): Promise<Extract<ClaimAnswer, { status: 'ok' }>> {
    const store = new RegistryStore({ redis, keys, policy: 'replace' });
    const who: Claimant = {
      id,
      userId: user,
      client: null,
      issuedAt: 1,
      sessionId: '',
      mailOffset,
      fence: '',
      lease: '',
      facts: () => '{}',
      isOpen: () => true,
    };
    const answer = await store.claim(who, 'n.1', [], null);
    if (answer.status !== 'ok') throw new Error(`the claim was answered ${answer.status}`);
    return answer;
  }

  const idsIn = async (boxes: Mailboxes, from = 1): Promise<string[]> =>
    (await boxes.read(user, from, 1000))?.entries.map(({ event }) => event.id) ?? [];

  /** The bytes that box.lua believes to be there, and those that are. */
  async function bytes(): Promise<{ counted: number; real: number }> {
    const rows = await redis.xrange(keys.box(user), '-', '+');
    const real = rows.reduce((sum, [, fields]) => sum + Buffer.byteLength(fields[7] ?? ''), 0);
    const [all, floor] = await redis.hmget(keys.boxmeta(user), 'bytes', 'floor_bytes');
    return { counted: Number(all) - Number(floor), real };
  }

  it('gives offsets without holes, each user his own, and the head that belongs to the newest entry', async () => {
    const boxes = open();
    const results = await Promise.all([
      boxes.append(user, events(2)),
      boxes.append('other', events(1)),
      boxes.append(user, events(1, 2)),
      boxes.append(user, []),
    ]);
    expect(results.map(offsetsOf)).to.deep.equal([[1, 2], [1], [3], []]);
    const page = await boxes.read(user, 1, 10);
    expect(page?.entries.map(({ offset, event }) => [offset, event.id])).to.deep.equal([
      [1, 'e0'],
      [2, 'e1'],
      [3, 'e2'],
    ]);
    expect(page).to.include({ offset: 3, tag: page?.entries[2]?.tag, acked: 0, first: 1 });
    expect(await boxes.head(user)).to.deep.equal({ epoch: page?.epoch, offset: 3, tag: page?.tag });
    expect((await boxes.head('other'))?.epoch).to.not.equal(page?.epoch);
    expect(await boxes.head('nobody')).to.equal(null);
    expect(await boxes.read('nobody', 1, 10)).to.equal(null);
  });

  it('shares one script call among the appends of one turn, and tells of it once', async () => {
    const boxes = open();
    await boxes.append(user, events(1));
    const calls = async (): Promise<number> =>
      Number(/cmdstat_evalsha:calls=(\d+)/.exec(await redis.info('commandstats'))?.[1]);
    const before = await calls();
    await Promise.all(Array.from({ length: 20 }, (_, n) => boxes.append(user, events(1, 10 + n))));
    expect((await calls()) - before).to.equal(1);
    expect(mail[1]).to.include({ first: 2, head: 21, prevTag: mail[0]?.entries[0]?.tag });
    expect(mail[1]?.entries).to.have.length(20);
  });

  it('appends an id once, whatever call it comes in, and tells the head all the same: a publish may be lost (L2)', async () => {
    const boxes = open();
    await boxes.append(user, events(3));
    expect(offsetsOf(await boxes.append(user, events(3)))).to.deep.equal([0, 0, 0]);
    expect(mail[1]).to.include({ head: 3, epoch: mail[0]?.epoch });
    expect(mail[1]?.entries).to.deep.equal([]);
    expect(offsetsOf(await boxes.append(user, [...events(2, 2), ...events(1, 3)]))).to.deep.equal([0, 4, 0]);
    expect(await idsIn(boxes)).to.deep.equal(['e0', 'e1', 'e2', 'e3']);
    expect(boxes.counts).to.include({ appended: 4, duplicates: 5 });
    expect(await boxes.seen(user, ['e3', 'e4', 'e0'])).to.deep.equal([true, false, true]);
  });

  // The build before forgot ids by count: 2,000 of a mailbox at most.
  it('20,000 events within the window, whose answers were lost, are appended once: ids are forgotten by time alone (L2)', async () => {
    const boxes = open();
    const count = 20_000;
    for (let round = 0; round < 2; round += 1) {
      for (let at = 0; at < count; at += 1000) await boxes.append(user, events(1000, at));
    }
    expect(boxes.counts).to.include({ appended: count, duplicates: count });
    const bytes = await redis.memory('USAGE', keys.boxIds(user, 'a'), 'SAMPLES', 0);
    expect(Number(bytes) / count, 'bytes an id').to.be.below(40);
  });

  it('remembers ids for one window and forgets them after two, so that what is remembered stays bounded', async () => {
    const boxes = open();
    const pass = (): Promise<unknown> => redis.hincrby(keys.boxmeta(user), 'ids_since', -900_000);
    await boxes.append(user, events(1));
    await pass();
    expect(offsetsOf(await boxes.append(user, events(2)))).to.deep.equal([0, 2]);
    expect(await boxes.seen(user, ['e0', 'e1'])).to.deep.equal([true, true]);
    await pass();
    await boxes.append(user, events(1, 2));
    expect(await boxes.seen(user, ['e0', 'e1', 'e2'])).to.deep.equal([false, true, true]);
    // Where nothing is appended any more they end by themselves.
    expect(await redis.pttl(keys.boxIds(user, 'b'))).to.be.within(1, 1_800_000 + 2 * CLOCK_STEP_MS);
  });

  it('a node of the build before finds the ids of this one, and the other way round (L2)', async () => {
    let wholeIds: WholeIds = WHOLE_IDS.written;
    const boxes = open({ wholeIds: () => wholeIds });
    await boxes.append(user, events(2));
    expect(await redis.zrange(keys.boxseen(user), '0', '-1')).to.deep.equal(['e0', 'e1']);
    await redis.zadd(keys.boxseen(user), Date.now(), 'e2');
    expect(offsetsOf(await boxes.append(user, events(4)))).to.deep.equal([0, 0, 0, 3]);
    wholeIds = WHOLE_IDS.read;
    expect(offsetsOf(await boxes.append(user, events(1, 2)))).to.deep.equal([0]);
    expect(await boxes.seen(user, ['e2', 'e9'])).to.deep.equal([true, false]);
    wholeIds = WHOLE_IDS.no;
    await redis.hincrby(keys.boxmeta(user), 'ids_since', -900_000);
    await boxes.append(user, events(1, 5));
    expect(await redis.exists(keys.boxseen(user))).to.equal(0);
  });

  it('reads the owner in the step of the append, so that no claim lies between (L9)', async () => {
    const boxes = open();
    await boxes.append(user, events(1));
    expect(mail[0]?.lease).to.equal('');
    const { fence } = await claim('c1');
    await boxes.append(user, events(1, 1));
    expect(mail[1]?.lease).to.equal('n.1');
    await new RegistryStore({ redis, keys, policy: 'replace' }).release(user, 'c1', fence, '');
    await boxes.append(user, events(1, 2));
    expect(mail[2]?.lease).to.equal('');
  });

  it('keeps the newest entries by number and by size, and the newest whatever its size', async () => {
    const few = open({ mailboxSize: 3 });
    await few.append(user, events(5));
    expect(await idsIn(few)).to.deep.equal(['e2', 'e3', 'e4']);
    const page = await few.read(user, 1, 10);
    expect(page).to.include({ first: 3, offset: 5 });
    expect(few.counts.trimmedUnacknowledged).to.equal(2);
    const small = open({ mailboxBytes: 1000 });
    await small.append(user, [storedEvent('large', { text: 'ü'.repeat(2000) })]);
    expect(await idsIn(small)).to.deep.equal(['large']);
    await small.append(user, events(4, 10));
    const { counted, real } = await bytes();
    expect(counted).to.equal(real);
    expect(real).to.be.within(500, 1000);
    expect((await idsIn(small)).at(-1)).to.equal('e13');
  });

  it('drops entries by age when others come, and all when none comes', async () => {
    const boxes = open({ mailboxTtlMs: 150, mailboxSize: 10_000 });
    await boxes.append(user, events(2));
    const began = Date.now();
    let n = 2;
    await until('the first two are too old', async () => {
      await boxes.append(user, events(1, n++));
      return !(await idsIn(boxes)).includes('e1');
    });
    expect(Date.now() - began).to.be.at.least(140);
    await until('all is gone', async () => (await idsIn(boxes)).length === 0);
    // Redis takes the memory back by its own clock, which may step.
    for (const key of [keys.box(user), keys.boxmeta(user)]) {
      expect(await redis.pttl(key)).to.be.within(CLOCK_STEP_MS - 5000, CLOCK_STEP_MS + 160);
    }
    const head = await boxes.head(user);
    expect(offsetsOf(await boxes.append(user, events(1, n)))).to.deep.equal([(head?.offset ?? 0) + 1]);
    expect(await idsIn(boxes)).to.deep.equal([`e${n}`]);
  });

  it('a mailbox whose meta is gone is another one: nothing of the old one answers for its positions (L1)', async () => {
    const boxes = open();
    await boxes.append(user, events(3));
    const before = await boxes.head(user);
    await redis.del(keys.boxmeta(user));
    expect(offsetsOf(await boxes.append(user, events(2, 1)))).to.deep.equal([1, 2]);
    expect(await idsIn(boxes)).to.deep.equal(['e1', 'e2']);
    expect((await boxes.head(user))?.epoch).to.not.equal(before?.epoch);
  });

  it('is refused as a whole when Redis is full, and an acknowledgement is not: it makes room', async () => {
    const boxes = open();
    await boxes.append(user, events(2));
    const { fence } = await claim('c1');
    const head = await boxes.head(user);
    await redis.config('SET', 'maxmemory', '1');
    try {
      expect(String(await failure(boxes.append(user, events(1, 2))))).to.match(/OOM/);
      expect(await boxes.ack(user, { conn: 'c1', fence }, head ?? { epoch: '', offset: 0, tag: '' })).to.equal(
        'stored',
      );
    } finally {
      await redis.config('SET', 'maxmemory', '0');
    }
    expect(await redis.xlen(keys.box(user))).to.equal(0);
    expect(offsetsOf(await boxes.append(user, events(1, 2)))).to.deep.equal([3]);
  });

  describe('acknowledged', () => {
    it('only by the current connection and in its own epoch, of an entry that is there, and never backwards (L8)', async () => {
      const boxes = open();
      await boxes.append(user, events(6));
      const { epoch, entries = [] } = (await boxes.read(user, 1, 10)) ?? { epoch: '' };
      const at = (offset: number) => ({ epoch, offset, tag: entries[offset - 1]?.tag ?? 'unknown' });
      const old = { conn: 'c1', fence: (await claim('c1')).fence };
      const owner = { conn: 'c2', fence: (await claim('c2')).fence };
      expect(await boxes.ack(user, old, at(2))).to.equal('not_current');
      expect(await boxes.ack(user, { ...owner, fence: old.fence }, at(2))).to.equal('not_current');
      expect(await boxes.ack(user, owner, { ...at(2), epoch: 'another' })).to.equal('nothing');
      expect(await boxes.ack(user, owner, { ...at(2), tag: 'another' })).to.equal('nothing');
      expect(await idsIn(boxes)).to.have.length(6);
      expect(await boxes.ack(user, owner, at(4))).to.equal('stored');
      expect(await boxes.ack(user, owner, at(4))).to.equal('nothing');
      expect(await boxes.ack(user, owner, at(3))).to.equal('nothing');
      expect(await boxes.read(user, 1, 10)).to.include({
        acked: 4,
        ackedTag: at(4).tag,
        first: 5,
        floorTag: at(4).tag,
      });
      expect(await idsIn(boxes)).to.deep.equal(['e4', 'e5']);
      expect(await bytes()).to.satisfy(({ counted, real }: { counted: number; real: number }) => counted === real);
      // Never clamped: after a fail-over, a late acknowledgement of what was lost would take what nobody has received.
      expect(await boxes.ack(user, owner, at(99))).to.equal('nothing');
      expect(await boxes.ack(user, owner, at(6))).to.equal('stored');
      expect(await boxes.read(user, 1, 10)).to.include({ acked: 6, ackedTag: at(6).tag, first: 7 });
      expect(offsetsOf(await boxes.append(user, events(1, 6)))).to.deep.equal([7]);
      expect(boxes.counts.trimmedUnacknowledged).to.equal(0);
    });

    it('entries are not counted as lost when they are trimmed', async () => {
      const boxes = open({ mailboxSize: 2 });
      await boxes.append(user, events(2));
      const head = await boxes.head(user);
      const { fence } = await claim('c1');
      await boxes.ack(user, { conn: 'c1', fence }, head ?? { epoch: '', offset: 0, tag: '' });
      await boxes.append(user, events(5, 2));
      expect(boxes.counts.trimmedUnacknowledged).to.equal(3);
      expect(await boxes.read(user, 1, 10)).to.include({ acked: 2, first: 6 });
    });
  });

  it('comes with the claim, so that no event is between the two (L3)', async () => {
    const boxes = open();
    expect((await claim('c0')).mailbox).to.equal(null);
    await boxes.append(user, events(5));
    const page = await boxes.read(user, 1, 10);
    const { epoch, offset, tag } = page ?? { epoch: '', offset: 0, tag: '' };
    const expected = { epoch, offset, tag, acked: 0, ackedTag: '', first: 1, floorTag: '' };
    expect((await claim('c1')).mailbox).to.deep.equal({ ...expected, resumeTag: null });
    expect((await claim('c2', 3)).mailbox?.resumeTag).to.equal(page?.entries[2]?.tag);
    // Its events ended by their age, while somebody was connected.
    await redis.del(keys.box(user));
    await redis.pexpire(keys.boxmeta(user), 1000);
    expect((await claim('c3', 3)).mailbox).to.deep.equal({
      ...expected,
      first: 6,
      floorTag: page?.tag,
      resumeTag: null,
    });
    expect(await redis.pttl(keys.boxmeta(user))).to.be.greaterThan(1000);
    expect(await boxes.read(user, 1, 10)).to.deep.include({ first: 6, floorTag: page?.tag, entries: [] });
  });
});
