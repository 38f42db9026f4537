import type { Bus } from '@unified-ws/server/bus/bus';
import { createLogger } from '@unified-ws/server/observability/log/logger';
import { Keys } from '@unified-ws/server/redis/keys';
import { Claims } from '@unified-ws/server/registry/claim/claims';
import { Duplicates } from '@unified-ws/server/registry/claim/duplicates';
import { PendingReplacements } from '@unified-ws/server/registry/claim/pendingReplacements';
import type { Releases } from '@unified-ws/server/registry/claim/releases';
import { FailureDetector } from '@unified-ws/server/registry/nodes/failureDetector';
import type { Lease } from '@unified-ws/server/registry/nodes/lease';
import { type Holder, Reconciler } from '@unified-ws/server/registry/recovery/reconciler';
import { RegistryStore } from '@unified-ws/server/registry/store/registryStore';
import { systemClock } from '@unified-ws/server/util/clock';
import { expect } from 'chai';
import type { Redis } from 'ioredis';
import { type RedisServer, startRedis } from '../../../../support/redis.js';
import { until } from '../../../../support/wait.js';

// The switch `leaseBinds` of the model. Seen red with the skip of waiting connections in Reconciler.one, and with the lease left
// out of settle.lua and of Claims: the connection was regained while its entry named the lost lease.
describe('a re-claim that waits while its node loses its lease', () => {
  let server: RedisServer;
  let redis: Redis;
  let store: RegistryStore;
  const keys = new Keys('uws');
  const failures: unknown[] = [];
  const opened: PendingReplacements[] = [];

  before(async () => {
    server = await startRedis();
    redis = server.client();
    store = new RegistryStore({ redis, keys, policy: 'replace' });
  });
  afterEach(() => {
    for (const one of opened.splice(0)) one.stop();
  });
  after(() => server.stop());

  async function scene(userId: string, earlier: Record<string, string> = {}, client: Holder['client'] = null) {
    const lease = { id: 'n.1' };
    const regained: string[] = [];
    const ends: number[] = [];
    let suspended = false;
    const who: Holder = {
      id: `${userId}-c1`,
      userId,
      client,
      issuedAt: 1,
      sessionId: '',
      fence: '',
      lease: '',
      facts: () => '{}',
      isOpen: () => ends.length === 0,
      amend: () => undefined,
      suspend: () => {
        suspended = true;
      },
      regain: () => {
        if (!suspended) return;
        suspended = false;
        regained.push(lease.id);
      },
      end: (code) => void ends.push(code),
    };
    const report = (error: unknown): void => void failures.push(error);
    const failureDetector = new FailureDetector(5000);
    const bus = { send: () => undefined } as unknown as Bus;
    const pendingReplacements = new PendingReplacements({
      bus,
      failureDetector,
      clock: systemClock,
      clusterTime: systemClock,
      timeoutMs: 60_000,
    });
    opened.push(pendingReplacements);
    const releases = { ordered: true, enlist: async () => undefined } as unknown as Releases;
    const claims = new Claims({
      store,
      lease: lease as Lease,
      failureDetector,
      pendingReplacements,
      releases,
      clock: systemClock,
      clusterTime: systemClock,
      report,
    });
    const duplicates = new Duplicates({ writtenSince: () => 0, logger: createLogger('silent', 'n') });
    const reconciler = new Reconciler({
      store,
      claims,
      releases,
      report,
      duplicates,
      lease: () => lease.id,
      holders: () => [who],
      hasConnection: () => true,
      isAway: () => false,
    });
    expect(await claims.acquire(who)).to.include({ status: 'held' });
    // The fail-over brings back an earlier owner, on another node.
    await redis.hset(keys.conn(userId), {
      conn: 'old',
      lease: 'x.1',
      fence: String(Number(who.fence) - 1),
      ...earlier,
    });
    await reconciler.one(who);
    expect(claims.isWaiting(who), 'waits for an earlier owner of another client').to.equal(client === null);
    return { lease, who, regained, ends, claims, pendingReplacements, reconciler, isSuspended: () => suspended };
  }

  it('must be made again under the new one, or the connection delivers under a dead lease', async () => {
    const { lease, who, regained, claims, pendingReplacements, reconciler, isSuspended } = await scene('u1');
    lease.id = 'n.2';
    claims.onNewLease();
    await reconciler.one(who);
    expect((await store.owner('u1'))?.lease).to.equal('n.2');
    expect(isSuspended(), 'no delivery before the earlier owner is gone').to.equal(true);
    pendingReplacements.confirm(who.id, 'old');
    await until(() => regained.length > 0, { what: 'it is current again' });
    expect(regained).to.deep.equal(['n.2']);
    expect(claims.isUnsettled(who)).to.equal(false);
  });

  it('must not keep the others from being brought in line when the keys of one are no registry of ours', async () => {
    const { who, ends, reconciler } = await scene('u4');
    await redis.set(keys.conn('u4'), 'of somebody else');
    await reconciler.one(who);
    expect(ends).to.deep.equal([4207]);
    expect(failures.splice(0)).to.have.lengthOf(1);
  });

  it('must not be settled when the wait ends between the new lease and its reconcile', async () => {
    const { lease, who, regained, ends, claims, pendingReplacements, reconciler, isSuspended } = await scene('u2');
    lease.id = 'n.2';
    pendingReplacements.confirm(who.id, 'old');
    // What the end of the wait sends goes out after the first, and is answered before the second.
    await redis.ping();
    await redis.ping();
    expect([regained, ends, isSuspended()]).to.deep.equal([[], [], true]);
    claims.onNewLease();
    await reconciler.one(who);
    pendingReplacements.confirm(who.id, 'old');
    await until(() => regained.length > 0, { what: 'it is current again' });
    expect((await store.owner('u2'))?.lease).to.equal('n.2');
  });

  it('must not end the connection when an entry was taken over by a later re-claim of its own', async () => {
    const { who, regained, ends, pendingReplacements } = await scene('u3');
    // As a link that came back late would leave it.
    await redis.hset(keys.conn('u3'), { lease: 'n.0' });
    // The evict is repeated until it is confirmed.
    await until(
      () => {
        pendingReplacements.confirm(who.id, 'old');
        return regained.length > 0;
      },
      { what: 'it is current again' },
    );
    expect((await store.owner('u3'))?.lease).to.equal('n.1');
    expect(ends).to.deep.equal([]);
    expect(failures).to.deep.equal([]);
  });

  // Seen red without Claims.clearAgain: the list stayed for as long as the connection did.
  it('must have its list of replaced owners cleared by the next reconcile, when Redis did not answer that it was', async () => {
    const own = { id: 'd', attempt: 2 };
    const { who, regained, pendingReplacements, reconciler } = await scene('u7', { client: 'd', attempt: '1' }, own);
    const replaced = (): Promise<string | null> => redis.hget(keys.conn('u7'), 'displaced');
    await until(() => regained.length > 0, { what: 'it is current again, without waiting for its own client' });
    expect(await replaced()).to.include('old');
    // What the break of a link does to the step that clears.
    const settle = store.settle;
    store.settle = () => Promise.reject(new Error('the link broke'));
    pendingReplacements.confirm(who.id, 'old');
    store.settle = settle;
    await until(() => failures.length > 0, { what: 'it is reported' });
    failures.splice(0);
    expect(await replaced()).to.include('old');
    await reconciler.one(who);
    await until(async () => (await replaced()) === null, { what: 'the list is cleared' });
  });

  // The switch `confirmedIsGone` of the model. Seen red with 4001, after which neither of the two comes back, and with the code of the
  // tombstone: the order was given before the claim.
  describe('and whose shard of Redis forgets it', () => {
    const DEVICE = { client: 'd', attempt: '2' };
    const higher = (fence: string): string => String(Number(fence) + 10);
    const FOUND: Record<string, (fence: string) => Record<string, string>> = {
      'its predecessor, claimed again': (fence) => ({ conn: 'old', lease: 'x.1', ...DEVICE, fence: higher(fence) }),
      'an earlier attempt of its predecessor': (fence) => ({
        conn: 'slow',
        lease: 'x.1',
        ...DEVICE,
        attempt: '1',
        fence: higher(fence),
      }),
      'an older tombstone': (fence) => ({ conn: '', lease: '', code: '4002', fence: String(Number(fence) - 10) }),
    };
    for (const [what, entry] of Object.entries(FOUND)) {
      it(`must not be sent away for good by ${what}: nobody would serve the user`, async () => {
        const user = `u-${what}`;
        const { who, ends, pendingReplacements } = await scene(user, DEVICE);
        await redis.hset(keys.conn(user), entry(who.fence));
        await until(
          () => {
            pendingReplacements.confirm(who.id, 'old');
            return ends.length > 0;
          },
          { what: 'it is ended' },
        );
        expect(ends).to.deep.equal([4205]);
      });
    }

    it('must be sent away for good by a later attempt of its predecessor', async () => {
      const { who, ends, pendingReplacements } = await scene('u5', DEVICE);
      const later = { conn: 'new', lease: 'x.1', client: 'd', attempt: '3', fence: higher(who.fence) };
      await redis.hset(keys.conn('u5'), later);
      await until(
        () => {
          pendingReplacements.confirm(who.id, 'old');
          return ends.length > 0;
        },
        { what: 'it is ended' },
      );
      expect(ends).to.deep.equal([4001]);
    });
  });
});
