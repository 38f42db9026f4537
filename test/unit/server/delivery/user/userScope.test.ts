import { randomBytes } from 'node:crypto';
import type { ServerData } from '@unified-ws/protocol';
import { DEFAULT_PREFERENCES } from '@unified-ws/protocol';
import type { MailBatch } from '@unified-ws/server/bus/busMessages';
import { Compression } from '@unified-ws/server/delivery/frames/compression';
import { RateLimit } from '@unified-ws/server/delivery/selection/rateLimit';
import { Acks } from '@unified-ws/server/delivery/user/acks';
import type { MailboxPosition } from '@unified-ws/server/delivery/user/mailboxPosition';
import { type MailRecipient, UserScope } from '@unified-ws/server/delivery/user/userScope';
import { loadCatalogue } from '@unified-ws/server/events/catalogue/eventCatalogue';
import type { StoredEvent } from '@unified-ws/server/events/event/storedEvent';
import { Mailboxes } from '@unified-ws/server/events/mailbox/mailboxes';
import { createRedis, parseRedisUrl, type RedisClient } from '@unified-ws/server/redis/connect';
import { Keys } from '@unified-ws/server/redis/keys';
import { systemClock } from '@unified-ws/server/util/clock';
import { expect } from 'chai';
import { type RedisServer, startRedis } from '../../../../support/redis.js';
import { until } from '../../../../support/wait.js';
import { MAILBOX, storedEvent } from '../../events/support.js';

const TYPES = { id: 1, names: ['zone_updated'], set: new Set(['zone_updated']) };
const CLEARANCE = { id: 1, roles: new Set(['user']), permissions: new Set(['events:receive']) };

/** A connection, as far as the user scope knows it. */
class Peer implements MailRecipient {
  status = 'open';
  readonly resume = { user: null };
  readonly delivered = TYPES;
  readonly clearance = CLEARANCE;
  readonly preferences = DEFAULT_PREFERENCES;
  readonly compress = false;
  individual: MailRecipient['individual'] = null;
  mail: MailboxPosition | null = null;
  /** Writes that it takes before it is congested. */
  room = Number.POSITIVE_INFINITY;
  readonly writes: number[][] = [];
  readonly gaps: ServerData<'gap'>[] = [];

  constructor(readonly userId: string) {}

  get numbers(): number[] {
    return this.writes.flat();
  }

  isOpen(): boolean {
    return this.status !== 'closed';
  }

  isCongested(): boolean {
    return this.room <= 0;
  }

  write(frames: Buffer): void {
    this.room -= 1;
    this.writes.push([...frames.toString('latin1').matchAll(/"n":(\d+)/g)].map(([, n]) => Number(n)));
  }

  send(_type: 'gap', data: ServerData<'gap'>): void {
    this.gaps.push(data);
  }
}

describe('the user scope', function () {
  this.timeout(10_000);
  let server: RedisServer;
  let redis: RedisClient;
  let mailboxes: Mailboxes;
  let scope: UserScope;
  let peer: Peer;
  let mayDeliver = true;
  const batches: MailBatch[] = [];
  const reports: unknown[] = [];
  const keys = new Keys('uws');
  const numbers = (count: number, from = 0): number[] => Array.from({ length: count }, (_, n) => from + n);
  const events = (count: number, from = 0): StoredEvent[] =>
    numbers(count, from).map((n) => storedEvent(`e${n}`, { n }));

  before(async () => {
    server = await startRedis();
    redis = createRedis(parseRedisUrl(server.url), 'command', { commandTimeoutMs: 300, name: 'test' });
    redis.on('error', (error: unknown) => reports.push(error));
    await redis.connect();
  });
  beforeEach(async () => {
    await redis.flushall();
    mayDeliver = true;
    batches.length = 0;
    mailboxes = new Mailboxes({
      redis,
      keys,
      random: randomBytes,
      ...MAILBOX,
      mailboxSize: 1000,
      onAppended: ({ userId: user, epoch, first, prevTag: prev_tag, head, entries }) => {
        const sent = entries.map(({ tag, event }) => [tag, event] as const);
        batches.push({ user, epoch, first, prev_tag, head, events: sent });
      },
    });
    peer = new Peer('u');
    scope = new UserScope({
      compression: new Compression(systemClock),
      mailboxes,
      catalogue: () => catalogue,
      clock: systemClock,
      clusterTime: systemClock,
      ofUser: () => [peer],
      mayDeliver: () => mayDeliver,
      report: (error) => reports.push(error),
    });
  });
  afterEach(() => scope.stop());
  after(async () => {
    redis.disconnect();
    await server.stop();
  });
  const catalogue = loadCatalogue();

  /** The batch of the append, not yet heard. */
  async function append(count: number, from = 0): Promise<MailBatch> {
    await mailboxes.append('u', events(count, from));
    return batches.at(-1) as MailBatch;
  }

  const idle = (): Promise<unknown> => until(() => scope.waiting === 0 && peer.mail?.behind !== true, { what: 'idle' });

  it('writes what continues at once, all of a batch together, and drops what it has', async () => {
    const [a, b] = [await append(2), await append(3, 2)];
    scope.receive(a);
    scope.receive(a);
    scope.receive(b);
    scope.receive(a);
    expect(peer.writes).to.deep.equal([
      [0, 1],
      [2, 3, 4],
    ]);
    // A worker that shared its call with another tells some of them again.
    const both = { ...b, first: 2, prev_tag: a.events[0]?.[0] ?? '', events: [...a.events.slice(1), ...b.events] };
    scope.receive({ ...both, head: 6, events: [...both.events, ['tag6', events(1, 5)[0]]] });
    expect(peer.numbers).to.deep.equal(numbers(6));
    expect(scope.counts).to.include({ reads: 0, holes: 0, deliveries: 6 });
  });

  it('reads a hole page by page, and takes nothing live until it is filled (L3)', async () => {
    await append(120);
    const late = await append(1, 120);
    scope.receive(late);
    const later = await append(1, 121);
    scope.receive(later);
    await idle();
    expect(peer.numbers).to.deep.equal(numbers(122));
    expect(scope.counts.reads).to.be.within(3, 4);
    scope.receive(await append(1, 122));
    expect(peer.numbers.at(-1)).to.equal(122);
    expect(scope.counts.reads, 'live again').to.be.within(3, 4);
  });

  it('reads a mailbox whose head alone is told: an earlier message of it is lost', async () => {
    const { epoch } = await append(3);
    scope.receive({ user: 'u', epoch, first: 0, prev_tag: '', head: 3, events: [] });
    await idle();
    expect(peer.numbers).to.deep.equal([0, 1, 2]);
    scope.receive({ user: 'u', epoch, first: 0, prev_tag: '', head: 3, events: [] });
    expect(scope.counts.reads).to.equal(1);
  });

  it('does not take the next offset of another history for its own (L1)', async () => {
    scope.receive(await append(2));
    const before = peer.mail?.text;
    const [kept] = await redis.xrange(keys.box('u'), '-', '+');
    // Gone back by one, and given away again: the batch that is heard has the offset that was waited for.
    await redis.del(keys.box('u'));
    await redis.xadd(keys.box('u'), '1-0', ...(kept?.[1] ?? []));
    await redis.hset(keys.boxmeta('u'), { offset: '1', tag: batches[0]?.events[0]?.[0] ?? '' });
    await append(1, 10);
    scope.receive(await append(1, 11));
    await idle();
    expect(peer.gaps.map(({ reason, from }) => [reason, from])).to.deep.equal([['log_reset', before]]);
    expect(peer.numbers.slice(2), 'all that is not acknowledged').to.deep.equal([0, 10, 11]);
  });

  it('does not take a batch for a repeat whose entry at its own place is another one (L1)', async () => {
    scope.receive(await append(2));
    await redis.del(keys.box('u'));
    await redis.hset(keys.boxmeta('u'), { offset: '1', tag: batches[0]?.events[0]?.[0] ?? '' });
    const batch = await append(2, 10);
    expect([batch.first, peer.mail?.offset]).to.deep.equal([2, 2]);
    scope.receive(batch);
    await idle();
    expect(peer.gaps.map(({ reason }) => reason)).to.include('log_reset');
    expect(peer.numbers).to.deep.equal([0, 1, 10, 11]);
  });

  it('writes nothing live while this node may not deliver (C6)', async () => {
    scope.receive(await append(1));
    mayDeliver = false;
    scope.receive(await append(1, 1));
    expect(peer.numbers).to.deep.equal([0]);
    mayDeliver = true;
    scope.resume();
    await idle();
    expect(peer.numbers).to.deep.equal([0, 1]);
  });

  it('writes nothing that was read when the right to deliver ended meanwhile, and all of it when that is back (C6)', async () => {
    await append(2);
    scope.receive(await append(1, 2));
    mayDeliver = false;
    // The answer of a later command has come: so has that of the read.
    await redis.ping();
    await until(() => scope.waiting === 1, { what: 'the read was answered' });
    expect(peer.writes).to.deep.equal([]);
    scope.receive(await append(1, 3));
    mayDeliver = true;
    scope.resume();
    await idle();
    expect(peer.numbers).to.deep.equal(numbers(4));
  });

  it('writes nothing to a suspended connection, and goes on from its position, without a gap', async () => {
    scope.receive(await append(1));
    await append(1, 1);
    scope.receive(await append(1, 2));
    peer.status = 'recovering';
    await idle();
    scope.receive(await append(1, 3));
    expect(peer.numbers).to.deep.equal([0]);
    peer.status = 'open';
    scope.start(peer);
    await idle();
    expect(peer.numbers).to.deep.equal(numbers(4));
    expect(peer.gaps).to.deep.equal([]);
  });

  it('leaves the rest in the mailbox when the socket is full, live or read', async () => {
    peer.room = 1;
    const large = numbers(40).map((n) => storedEvent(`l${n}`, { n, text: 'x'.repeat(10_000) }));
    await mailboxes.append('u', large);
    scope.receive(batches[0] as MailBatch);
    expect(peer.numbers.length).to.be.within(2, 10);
    for (let turn = 0; peer.numbers.length < 40; turn += 1) {
      expect(turn).to.be.below(20);
      const before = peer.numbers.length;
      peer.room = 1;
      scope.wake(peer);
      await until(() => peer.numbers.length > before, { what: 'more' });
      await idle();
      expect(peer.numbers.length - before).to.be.below(10);
    }
    expect(peer.numbers).to.deep.equal(numbers(40));
  });

  it('writes one by one, and as often as the preferences allow', async () => {
    let left = 2;
    const take = (): boolean => left-- > 0;
    peer.individual = { batch: false, limit: Object.assign(new RateLimit(1), { take }), passes: () => true };
    scope.receive(await append(4));
    expect(peer.writes).to.deep.equal([[0], [1]]);
    await until(() => scope.waiting === 1, { what: 'it waits' });
    left = 10;
    scope.resume();
    await idle();
    expect(peer.numbers).to.deep.equal(numbers(4));
  });

  it('tries again when Redis does not answer', async () => {
    await append(2);
    const late = await append(1, 2);
    server.pause();
    try {
      scope.receive(late);
      await until(() => reports.length > 0, { what: 'the failure is reported' });
    } finally {
      server.resume();
    }
    await idle();
    expect(peer.numbers).to.deep.equal(numbers(3));
  });

  it('announces a mailbox that is gone, and one that is new, each once', async () => {
    scope.receive(await append(2));
    const before = peer.mail?.text;
    await redis.flushall();
    scope.observe(peer, null);
    await until(() => peer.mail === null, { what: 'it is known to be gone' });
    expect(peer.gaps).to.deep.equal([{ scope: 'user', from: before, to: null, reason: 'log_reset' }]);
    scope.receive(await append(1, 5));
    expect(peer.numbers).to.deep.equal([0, 1, 5]);
    await redis.flushall();
    scope.receive(await append(1, 6));
    await idle();
    expect(peer.gaps).to.have.length(2);
    expect(peer.numbers.at(-1)).to.equal(6);
  });

  // Seen red when the head that was heard before a page was asked for counted together with the page's own (L3).
  it('does not wait for a head of a history that is gone: it would read for ever, and take nothing live', async () => {
    scope.receive(await append(2));
    const names = [keys.box('u'), keys.boxmeta('u'), keys.boxIds('u', 'a')];
    const copies = await Promise.all(names.map((name) => redis.dumpBuffer(name)));
    const lost = await append(3, 2);
    await Promise.all(names.map((name, index) => redis.restore(name, 0, copies[index] as Buffer, 'REPLACE')));
    scope.receive({ ...lost, events: [] });
    await idle();
    scope.receive(await append(1, 9));
    expect(peer.numbers).to.deep.equal([0, 1, 9]);
    expect(peer.gaps).to.deep.equal([]);
  });

  it('an older head, read while newer events came, is no reason to doubt anything for good', async () => {
    scope.receive(await append(2));
    const head = await mailboxes.head('u');
    scope.receive(await append(2, 2));
    scope.observe(peer, head);
    await idle();
    expect(peer.gaps).to.deep.equal([]);
    scope.receive(await append(1, 4));
    expect(peer.numbers).to.deep.equal(numbers(5));
  });

  it('an acknowledgement of what was not sent is ignored, and those that come together share a call (L8)', async () => {
    const owner = { id: 'c', userId: 'u', fence: '7' };
    await redis.hset(keys.conn('u'), { conn: 'c', fence: '7' });
    scope.receive(await append(3));
    const position = peer.mail?.text ?? '';
    await append(2, 3);
    const acks = new Acks(mailboxes, (error) => reports.push(error));
    const { epoch = '' } = peer.mail ?? {};
    const connection = { ...owner, mail: peer.mail };
    const calls = async (): Promise<number> =>
      Number(/cmdstat_evalsha:calls=(\d+)/.exec(await redis.info('commandstats'))?.[1]);
    const before = await calls();
    acks.take(connection, { epoch, offset: 5, tag: 'unsent' });
    for (const offset of [1, 2, 3])
      acks.take(connection, { epoch, offset, tag: String(batches[0]?.events[offset - 1]?.[0]) });
    await until(() => acks.counts.stored + acks.counts.ignored === 4, { what: 'all are done with' });
    // The first is under way; of those that wait the newest counts.
    expect(acks.counts).to.deep.equal({ stored: 2, ignored: 2, failed: 0 });
    expect((await calls()) - before).to.equal(2);
    expect(await mailboxes.read('u', 1, 1)).to.include({ acked: 3 });
    acks.take(connection, { epoch: 'other', offset: 3, tag: 't' });
    acks.take({ ...connection, mail: null }, { epoch, offset: 3, tag: 't' });
    expect(acks.counts.ignored).to.equal(4);
    expect(position).to.match(/\.3\./);
  });
});
