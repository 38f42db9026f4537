import { Keys } from '@unified-ws/server/redis/keys';
import { decideEntry } from '@unified-ws/server/registry/recovery/reconciler';
import { RegistryStore } from '@unified-ws/server/registry/store/registryStore';
import type { ClaimAnswer, Claimant } from '@unified-ws/server/registry/store/registryTypes';
import { expect } from 'chai';
import type { Redis } from 'ioredis';
import { type RedisServer, startRedis } from '../../../../support/redis.js';
import { until } from '../../../../support/wait.js';

// Rules that are about the order of scripts alone, so that no node is needed: each was seen to fail with its line taken out
// of the script, and each is a switch of the model (`npm run model`).
describe('the registry scripts', () => {
  let server: RedisServer;
  let redis: Redis;
  let store: RegistryStore;
  const keys = new Keys('uws');
  let conns = 0;
  let users = 0;
  let user = '';

  before(async () => {
    server = await startRedis();
    redis = server.client();
    store = new RegistryStore({ redis, keys, policy: 'replace' });
  });
  beforeEach(() => {
    users += 1;
    user = `u${users}`;
  });
  after(() => server.stop());

  function claimant(client: string | null = null, attempt = 0): Claimant {
    conns += 1;
    return {
      id: `c${conns}`,
      userId: user,
      client: client === null ? null : { id: client, attempt },
      issuedAt: 1,
      sessionId: '',
      fence: '',
      lease: '',
      facts: () => '{}',
      isOpen: () => true,
    };
  }

  async function claim(
    who: Claimant,
    lease = 'a.1',
    dead: readonly string[] = [],
    reclaim = '',
    from = '',
  ): Promise<ClaimAnswer> {
    const answer = await store.claim(who, lease, dead, reclaim === '' ? null : { fence: reclaim, from });
    if (answer.status === 'ok') {
      who.fence = answer.fence;
      who.lease = lease;
    }
    return answer;
  }

  const replacedIn = (answer: ClaimAnswer): string[] =>
    answer.status === 'ok' ? answer.replaced.map((one) => one.c) : [answer.status];

  it('keep every replaced owner on the list until it is settled, or the third login would not wait for the first (C2)', async () => {
    const [first, second, third] = [claimant(), claimant(), claimant()];
    await claim(first);
    await claim(second);
    expect(replacedIn(await claim(third))).to.deep.equal([first.id, second.id]);
    expect(await store.settle(second, [], Date.now())).to.include({ conn: third.id });
    expect(await store.settle(third, [], Date.now())).to.equal(null);
    expect(replacedIn(await claim(claimant()))).to.deep.equal([third.id]);
  });

  it('repeat a claim without a new fence, or a lost answer would evict its own connection (C8)', async () => {
    const who = claimant();
    const first = await claim(who);
    const again = await claim(who);
    expect(again).to.deep.equal(first);
  });

  it('publish the evicts themselves, or a claimer that dies at the next line has warned nobody (C3)', async () => {
    const heard: string[] = [];
    const subscriber = server.client();
    await subscriber.subscribe(keys.nodeChannel('a.1'));
    subscriber.on('message', (_channel, text: string) => heard.push(text));
    const [old, newer] = [claimant('device-one', 1), claimant('device-one', 2)];
    await claim(old);
    await claim(newer, 'b.1');
    await redis.publish(keys.nodeChannel('a.1'), 'last');
    while (heard.at(-1) !== 'last') await new Promise((resolve) => subscriber.once('message', resolve));
    expect(JSON.parse(heard[0] as string)).to.deep.equal({
      t: 'evict',
      conn: old.id,
      fence: newer.fence,
      by: newer.id,
      to: 'b.1',
      code: 4206,
    });
    subscriber.disconnect();
  });

  it('take fences that grow even when Redis forgot, or an old connection would outrank a new one (C4)', async () => {
    const old = claimant();
    const startedAt = Date.now();
    await claim(old);
    await redis.del(keys.conn(user));
    const newer = claimant();
    await claim(newer);
    expect(Number(newer.fence)).to.be.at.least(Math.max(startedAt, Number(old.fence)));
    expect(await claim(old, 'a.1', [], old.fence)).to.deep.equal({ status: 'refused', code: 4001 });
  });

  it('refuse a slow attempt of a device whose later one is not current any more, or nobody of it is left (C5)', async () => {
    await claim(claimant('device-b', 2));
    await claim(claimant('device-a', 1));
    expect(await claim(claimant('device-b', 1))).to.deep.equal({ status: 'refused', code: 4206 });
    expect((await claim(claimant('device-b', 3))).status).to.equal('ok');
  });

  it('let the later attempt of a device win also where the earlier one has the higher fence (C5)', async () => {
    const later = claimant('device-a', 2);
    await claim(later);
    await redis.del(keys.conn(user));
    const earlier = claimant('device-a', 1);
    await claim(earlier);
    const entry = await store.entry(later);
    expect(decideEntry(later, entry, 'a.1')).to.deep.equal({ action: 'reclaim' });
    expect(replacedIn(await claim(later, 'a.1', [], later.fence))).to.deep.equal([earlier.id]);
    expect(decideEntry(earlier, await store.entry(earlier), 'a.1')).to.deep.equal({ action: 'end', code: 4206 });
  });

  it('keep a kicked owner on the replaced list: until its node wakes it may deliver (C15)', async () => {
    const owner = claimant();
    await claim(owner, 'paused.1');
    expect(await store.kick(user, { conn: owner.id, fence: owner.fence, lease: 'paused.1' }, 4002, 'out')).to.equal(
      null,
    );
    expect(decideEntry(owner, await store.entry(owner), 'paused.1')).to.deep.equal({ action: 'end', code: 4002 });
    expect(replacedIn(await claim(claimant(), 'b.1'))).to.deep.equal([owner.id]);
    expect(await claim(owner, 'paused.2', [], owner.fence)).to.deep.equal({ status: 'refused', code: 4001 });
  });

  it('give a connection back whose entry was reaped while its node was cut off: nobody else has claimed', async () => {
    const who = claimant();
    await claim(who, 'cut.1');
    await store.release(user, who.id, who.fence, 'cut.1');
    expect(decideEntry(who, await store.entry(who), 'cut.2')).to.deep.equal({ action: 'reclaim' });
    expect((await claim(who, 'cut.2', [], who.fence)).status).to.equal('ok');
    const newer = claimant();
    await claim(newer, 'b.1');
    await store.release(user, newer.id, newer.fence, '');
    expect(decideEntry(who, await store.entry(who), 'cut.2')).to.deep.equal({ action: 'end', code: 4001 });
  });

  it('refuse a re-claim that a broken link held back, or a lost lease takes the place of the one after it (C10)', async () => {
    const who = claimant();
    await claim(who, 'n.1');
    expect((await claim(who, 'n.2', [], who.fence, 'n.1')).status).to.equal('ok');
    expect((await claim(who, 'n.3', [], who.fence, 'n.2')).status).to.equal('ok');
    // Sent under n.2 when the entry was under n.1, and run only now.
    expect(await claim(who, 'n.2', [], who.fence, 'n.1')).to.deep.equal({ status: 'moved' });
    expect((await store.owner(user))?.lease).to.equal('n.3');
    // Repeated under its own lease, its answer having been lost.
    expect((await claim(who, 'n.3', [], who.fence, 'n.2')).status).to.equal('ok');
  });

  it('settle under the lease of the claim alone, or a right to deliver outlives its lease (C10)', async () => {
    const [old, who] = [claimant(), claimant()];
    await claim(old, 'a.1');
    await claim(who, 'n.1');
    await redis.hset(keys.conn(user), 'lease', 'n.2');
    expect(await store.settle(who, [], Date.now())).to.include({ conn: who.id, fence: who.fence });
    expect(await redis.hexists(keys.conn(user), 'displaced'), 'the list stays').to.equal(1);
    who.lease = 'n.2';
    expect(await store.settle(who, [], Date.now())).to.equal(null);
  });

  it('release nobody else (I3)', async () => {
    const [old, newer] = [claimant(), claimant()];
    await claim(old);
    await claim(newer, 'b.1');
    expect(await store.release(user, old.id, old.fence, '')).to.equal(false);
    expect(await store.release(user, old.id, '', '')).to.equal(false);
    expect(await store.release(user, newer.id, old.fence, '')).to.equal(false);
    expect(await store.release(user, newer.id, newer.fence, 'a.1')).to.equal(false);
    expect((await store.owner(user))?.conn).to.equal(newer.id);
    expect(await store.release(user, newer.id, newer.fence, 'b.1')).to.equal(true);
    expect(await redis.ttl(keys.conn(user))).to.be.within(4490, 4500);
  });

  it('read entries of dead leases as absent (C11)', async () => {
    const owner = claimant();
    await claim(owner, 'dead.1');
    expect(replacedIn(await claim(claimant(), 'b.1', ['dead.1']))).to.deep.equal([]);
  });

  it('refuse a ninth owner to wait for, and never lock a user out whom nobody owns', async () => {
    for (let n = 0; n < 9; n += 1) await claim(claimant(), `n${n}.1`);
    expect(await claim(claimant(), 'b.1')).to.deep.equal({ status: 'refused', code: 4207 });
    const owner = await store.owner(user);
    expect(await store.kick(user, owner ?? { conn: '', fence: '', lease: '' }, 4002, 'out')).to.equal(null);
    expect(replacedIn(await claim(claimant(), 'b.1'))).to.have.length(9);
  });

  it('see a revocation that came after the token was checked (C7)', async () => {
    const now = Date.now();
    expect(await store.revoke(user, { banUntil: now + 60_000, reason: 'r' }, now)).to.equal(null);
    expect(await claim(claimant())).to.deep.equal({ status: 'refused', code: 4003, until: now + 60_000 });
    expect(await redis.ttl(keys.revoked(user))).to.be.within(940, 961);
    // A later, shorter one does not cut the record short.
    await store.revoke(user, { before: now, reason: 'r' }, now);
    await store.revoke(user, { banUntil: now + 1000, reason: 'r' }, now);
    expect(await redis.ttl(keys.revoked(user))).to.be.greaterThan(80_000);
  });

  const issuedAt = (seconds: number, sessionId = ''): Claimant => ({ ...claimant(), issuedAt: seconds, sessionId });
  const amendmentOf = async (seconds: number) => {
    const answer = await claim(issuedAt(seconds));
    return answer.status === 'ok' ? answer.amendment : answer;
  };

  it('amend the tokens from before an order alone, the last order field by field (G8)', async () => {
    expect(await store.amend(user, { roles: ['admin'], asOf: 10_000 })).to.equal(null);
    await store.amend(user, { roles: ['user'], asOf: 20_000 });
    const owner = issuedAt(20);
    await claim(owner);
    expect(await store.amend(user, { permissions: [], asOf: 30_000 })).to.include({ conn: owner.id, lease: 'a.1' });
    expect(await amendmentOf(19)).to.deep.equal({ roles: ['user'], permissions: [], renewal: null });
    expect(await amendmentOf(20)).to.deep.equal({ roles: null, permissions: [], renewal: null });
    expect(await amendmentOf(30)).to.deep.equal({ roles: null, permissions: null, renewal: null });
    expect((await store.entry(issuedAt(19))).amendment).to.deep.equal(await amendmentOf(19));
    expect(await redis.ttl(keys.revoked(user))).to.be.within(87_290, 87_300);
    // By a node whose clock is behind: its order counts, and what was meant stays meant.
    await store.amend(user, { roles: [], asOf: 5000 });
    expect(await amendmentOf(19)).to.deep.include({ roles: [] });
  });

  it('let no repeated order put off the end of an outdated token, nor bring it back to life', async () => {
    const soon = Date.now() + 100;
    await store.amend(user, { asOf: 10_000, renewBy: soon });
    await store.amend(user, { asOf: 20_000, renewBy: soon + 60_000 });
    expect(await amendmentOf(9)).to.deep.include({ renewal: { since: 20_000, by: soon } });
    expect(await amendmentOf(20)).to.deep.include({ renewal: null });
    await until(() => Date.now() > soon, { what: 'the grace is over' });
    expect(await claim(issuedAt(19))).to.deep.equal({ status: 'refused', code: 4101, until: 0 });
    expect((await store.entry(issuedAt(19))).revokedCode).to.equal(4101);
    await store.amend(user, { asOf: 30_000, renewBy: Date.now() + 60_000 });
    expect(await claim(issuedAt(19))).to.deep.equal({ status: 'refused', code: 4102, until: 0 });
    expect((await claim(issuedAt(29))).status).to.equal('ok');
  });
});
