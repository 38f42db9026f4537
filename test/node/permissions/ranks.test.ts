import { LEGACY_GROUPS } from '@unified-ws/protocol';
import { Ranks } from '@unified-ws/server/admin/users/ranks';
import { RoleTable } from '@unified-ws/server/auth/roleTable';
import { loadCatalogue } from '@unified-ws/server/events/catalogue/eventCatalogue';
import { LegacyRegistry } from '@unified-ws/server/legacy/connections/legacyRegistry';
import { Keys } from '@unified-ws/server/redis/keys';
import { RegistryStore } from '@unified-ws/server/registry/store/registryStore';
import type { AppError } from '@unified-ws/server/util/appError';
import { systemClock } from '@unified-ws/server/util/clock';
import { expect } from 'chai';
import type { Redis } from 'ioredis';
import { adminToken, token } from '../../support/tokens.js';
import { until } from '../../support/wait.js';
import { type Answer, call, expectProblem } from '../../unit/server/http/support.js';
import { LegacyClients } from '../support/legacy.js';
import { type LocalNode, World } from '../support/world.js';

const ACTS: readonly (readonly [path: string, json: object])[] = [
  ['disconnect/:user', {}],
  ['disconnect/:user', { ban_seconds: 60 }],
  ['users/:user/revoke', {}],
  ['users/:user/revoke', { session: 's1' }],
  ['users/:user/permissions-changed', { roles: ['user'] }],
  ['users/:user/permissions-changed', {}],
];

describe('who may act on whom, and give what', function () {
  this.timeout(20_000);
  const world = new World();
  const legacies = new LegacyClients();
  const [group] = LEGACY_GROUPS;
  let one: LocalNode;
  let two: LocalNode;
  let redis: Redis;

  before(async () => {
    await world.start();
    redis = world.redis.client();
    const env = { LEGACY_ENDPOINTS: 'true' };
    [one, two] = await Promise.all([world.node({ ...env, NODE_ID: 'one' }), world.node({ ...env, NODE_ID: 'two' })]);
  });
  afterEach(() => {
    legacies.end();
    return world.endClients();
  });
  after(() => world.stop());

  const of = (permissions: readonly string[], roles: readonly string[] = []): string =>
    token('actor', { roles, claims: { permissions } });
  const act = (path: string, user: string, json: object, by: string): Promise<Answer> =>
    call(one, path.replace(':user', user), { json, token: by });
  const grant = (json: object, by: string, user = world.user()): Promise<Answer> =>
    act('users/:user/permissions-changed', user, json, by);
  const LESSER = ['admin:disconnect', 'admin:permissions', 'events:receive'];

  // Seen red: with admin:disconnect as before, and without Ranks.requireGrant.
  it('admin:disconnect must not be root: nobody gives more than he has, not even to himself', async () => {
    const support = of(['admin:disconnect']);
    for (const json of [{ roles: ['admin'] }, { roles: [] }, {}]) {
      const problem = expectProblem(await grant(json, support, 'actor'), 403, 'PERMISSION_DENIED');
      expect(problem.details).to.deep.equal({ permission: 'admin:permissions' });
    }
    const lesser = of(LESSER, ['helper']);
    for (const json of [
      { roles: ['admin'] },
      { roles: ['operator'] },
      { roles: ['service'] },
      { permissions: ['admin:cluster'] },
      { permissions: ['events:sensitive'] },
      // Of queue_write and cluster follow others.
      { permissions: ['admin:drain'] },
      { permissions: ['billing:read'] },
      { roles: ['finance'] },
      { roles: ['user', 'admin'], permissions: [] },
    ]) {
      const problem = expectProblem(await grant(json, lesser, 'actor'), 403, 'PERMISSION_DENIED');
      expect(problem.details, JSON.stringify(json)).to.include({ reason: 'exceeds_own' });
    }
    expect(await redis.exists('uws:{u:actor}:revoked')).to.equal(0);
    for (const json of [{ roles: ['user'] }, { roles: ['helper'] }, { permissions: LESSER }, { roles: [] }]) {
      expect((await grant(json, lesser)).status, JSON.stringify(json)).to.equal(200);
    }
    expect((await grant({ roles: ['admin'] }, adminToken())).status).to.equal(200);
  });

  it('an order about one field must not give back what an earlier one took away in another', async () => {
    const user = world.user();
    const old = token(user, { roles: ['admin'] });
    expect((await grant({ roles: ['user'] }, adminToken(), user)).status).to.equal(200);
    for (const json of [{ permissions: [] }, {}]) await grant(json, of(LESSER), user);
    expectProblem(await call(one, 'stats', { token: old }), 403, 'PERMISSION_DENIED');
  });

  // Seen red without Ranks.require.
  it('nobody acts on a connected user who holds an admin permission that he lacks', async () => {
    const user = world.user('boss');
    const boss = await world.connect(two, user, ['operator']);
    const by = of(LESSER);
    for (const [path, json] of ACTS) {
      const problem = expectProblem(await act(path, user, json, by), 403, 'PERMISSION_DENIED');
      expect(problem.details, path).to.include({ reason: 'outranked' });
    }
    const lesser = await world.connect(one, world.user(), [], { token: of(LESSER) });
    const refused = await lesser.request('disconnect_user', { user_id: user });
    expect(refused.data).to.include({ error_code: 'PERMISSION_DENIED' });
    expect(await redis.exists(`uws:{u:${user}}:revoked`)).to.equal(0);
    expect(boss.isOpen).to.equal(true);
    const { records } = (await call(one, `audit?target=${user}`, { token: adminToken() })).body;
    expect(records).to.have.length(ACTS.length + 1);
    expect(await act('disconnect/:user', user, {}, adminToken())).to.nested.include({ 'body.result': 'closed' });
    await boss.closed();
    for (const [path, json] of ACTS) expect((await act(path, user, json, by)).status, path).to.equal(200);
  });

  it('one who was given more, or less, since he connected counts as what he is now', async () => {
    const user = world.user();
    const old = token(user, { roles: ['user'] });
    expect((await grant({ roles: ['operator'] }, adminToken(), user)).status).to.equal(200);
    const client = await world.connect(two, user, [], { token: old });
    await until(async () => (await world.entry(redis, user)).facts?.includes('operator'), { what: 'his facts' });
    expectProblem(await act('disconnect/:user', user, {}, of(LESSER)), 403, 'PERMISSION_DENIED');
    expect((await grant({ roles: ['user'] }, adminToken(), user)).status).to.equal(200);
    await until(async () => (await act('disconnect/:user', user, {}, of(LESSER))).status === 200, {
      what: 'it is done',
    });
    expect((await client.closed()).code).to.equal(4002);
  });

  it('the legacy connections of an admin are his too', async () => {
    const user = world.user('old-boss');
    const old = await legacies.connect(two, group, user, ['operator', 'user']);
    for (const [path, json] of ACTS) {
      expectProblem(await act(path, user, json, of(LESSER)), 403, 'PERMISSION_DENIED');
    }
    expect(old.ending).to.equal(null);
    expect((await act('disconnect/:user', user, {}, adminToken())).body).to.include({ legacy_closed: 1 });
  });

  // Seen red without the comparison in revoke.lua and amend.lua: the order was written about whoever had come.
  it('an admin who connects between the look and the order must not be met by it', async () => {
    const keys = new Keys('uws');
    const store = new RegistryStore({ redis, keys, policy: 'replace' });
    const legacyRegistry = new LegacyRegistry(redis, keys, systemClock);
    const table = new RoleTable(loadCatalogue().raw);
    const unregistered = { noted: (user: string) => legacyRegistry.all(user) };
    const ranks = new Ranks({ store, unregistered, failureDetector: { isDead: () => false }, roles: () => table });
    const granted = { roles: new Set<string>(), permissions: new Set(LESSER) };
    const actor = { userId: 'actor', ip: '::1', via: 'rest', ...granted } as const;
    const orders = [
      (user: string, seen: string) => store.revoke(user, { banUntil: 0, reason: '' }, Date.now(), seen),
      (user: string, seen: string) => store.amend(user, { roles: [], asOf: Date.now() }, seen),
    ];
    const arrivals = [
      (user: string) => world.connect(two, user, ['operator']),
      (user: string) => legacies.connect(two, group, user, ['operator', 'user']),
    ];
    for (const order of orders) {
      for (const arrive of arrivals) {
        const user = world.user('late');
        let looks = 0;
        const given = ranks.over(user, actor, async (seen) => {
          looks += 1;
          if (looks === 1) await arrive(user);
          return order(user, seen);
        });
        const refused = await given.then(
          () => 'given',
          (error: unknown) => (error as AppError).details?.reason,
        );
        expect(refused).to.equal('outranked');
        expect(await redis.exists(`uws:{u:${user}}:revoked`)).to.equal(0);
      }
    }
    const nobody = world.user();
    expect(await ranks.over(nobody, actor, (seen) => store.amend(nobody, { roles: [], asOf: 1000 }, seen))).to.equal(
      null,
    );
  });
});
