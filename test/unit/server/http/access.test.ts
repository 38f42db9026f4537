import { createHmac } from 'node:crypto';
import { expect } from 'chai';
import { type LocalNode, World } from '../../../node/support/world.js';
import { adminToken, token } from '../../../support/tokens.js';
import { type Call, call, expectProblem } from './support.js';

interface Route {
  readonly path: string;
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly permissions: readonly string[];
  readonly json?: unknown;
  readonly refused?: readonly string[];
  readonly status: number;
}

const ROUTES: readonly Route[] = [
  { path: 'stats', method: 'GET', permissions: ['admin:stats'], status: 200 },
  { path: 'health', method: 'GET', permissions: ['admin:stats'], status: 200 },
  { path: 'errors', method: 'GET', permissions: ['admin:stats'], status: 200 },
  { path: 'user/nobody', method: 'GET', permissions: ['admin:connections'], status: 404 },
  { path: 'disconnect/nobody', method: 'POST', permissions: ['admin:disconnect'], status: 200 },
  {
    path: 'users/nobody/revoke',
    method: 'POST',
    permissions: ['admin:disconnect'],
    json: { session: 'none' },
    status: 200,
  },
  { path: 'users/nobody/ban', method: 'DELETE', permissions: ['admin:disconnect'], status: 200 },
  {
    path: 'broadcast',
    method: 'POST',
    permissions: ['events:publish', 'admin:broadcast'],
    json: { event_type: 'zone_updated', data: {} },
    // Which of them is enough depends on the event (publishPermission.test.ts).
    refused: ['admin:broadcast'],
    status: 202,
  },
  {
    path: 'users/nobody/permissions-changed',
    method: 'POST',
    permissions: ['admin:permissions'],
    json: { roles: [] },
    status: 200,
  },
  { path: 'queue', method: 'GET', permissions: ['admin:queue'], status: 200 },
  { path: 'queue', method: 'DELETE', permissions: ['admin:queue_write'], status: 200 },
  { path: 'queue/jobs?state=failed', method: 'GET', permissions: ['admin:queue'], status: 200 },
  { path: 'queue/jobs/events-0.none', method: 'GET', permissions: ['admin:queue'], status: 404 },
  { path: 'queue/jobs/events-0.none', method: 'DELETE', permissions: ['admin:queue_write'], status: 404 },
  {
    path: 'queue/jobs/events-0.none/retry',
    method: 'POST',
    permissions: ['admin:queue_control', 'admin:queue_write'],
    status: 404,
  },
  {
    path: 'queue/retry-failed',
    method: 'POST',
    permissions: ['admin:queue_control', 'admin:queue_write'],
    status: 200,
  },
  { path: 'queue/pause', method: 'POST', permissions: ['admin:queue_control', 'admin:queue_write'], status: 200 },
  { path: 'queue/resume', method: 'POST', permissions: ['admin:queue_control', 'admin:queue_write'], status: 200 },
  { path: 'connections', method: 'GET', permissions: ['admin:connections'], status: 200 },
  { path: 'nodes', method: 'GET', permissions: ['admin:stats'], status: 200 },
  { path: 'nodes/nobody/drain', method: 'POST', permissions: ['admin:drain', 'admin:cluster'], status: 404 },
  { path: 'audit', method: 'GET', permissions: ['admin:audit'], status: 200 },
  { path: 'rollout', method: 'GET', permissions: ['admin:cluster', 'admin:connections'], status: 200 },
  {
    path: 'rollout',
    method: 'PUT',
    permissions: ['admin:cluster'],
    json: { mode: 'disabled', percentage: 0, user_list: [], force_legacy: [], enforce: false },
    status: 200,
  },
  { path: 'rollout/rollback', method: 'POST', permissions: ['admin:cluster'], status: 200 },
  { path: 'rollout/restore', method: 'POST', permissions: ['admin:cluster'], status: 409 },
  { path: 'rollout/users/nobody', method: 'GET', permissions: ['admin:cluster', 'admin:connections'], status: 200 },
];

const ALL_PERMISSIONS = ROUTES.flatMap(({ permissions }) => permissions);

function withPermissions(permissions: readonly string[]): string {
  return token('operator-1', { roles: [], claims: { permissions } });
}

function request({ method, json }: Route): Call {
  return json === undefined ? { method } : { method, json };
}

describe('REST access', () => {
  const world = new World();
  let node: LocalNode;

  before(async () => {
    await world.start();
    node = await world.node();
  });

  after(() => world.stop());

  for (const route of ROUTES) {
    const name = `${route.method} ${route.path}`;

    it(`${name} answers nobody without a token`, async () => {
      const answer = await call(node, route.path, request(route));
      const problem = expectProblem(answer, 401, 'AUTH_ERROR');
      expect(problem.details).to.deep.equal({ reason: 'missing' });
      expect(answer.headers.get('www-authenticate')).to.equal('Bearer realm="unified-ws"');
    });

    it(`${name} says what is wrong with a token, and never repeats it`, async () => {
      const good = withPermissions(ALL_PERMISSIONS);
      const [header = '', payload = ''] = good.split('.');
      const forged = `${header}.${payload}.${createHmac('sha256', 'another').update('x').digest('base64url')}`;
      const expired = token('u', { claims: { permissions: ALL_PERMISSIONS }, nowS: 1_000_000_000 });
      const cases = [
        ['not-a-token', 'AUTH_ERROR', 'malformed'],
        [forged, 'AUTH_ERROR', 'bad_signature'],
        [expired, 'TOKEN_EXPIRED', 'expired'],
      ] as const;
      for (const [bad, code, reason] of cases) {
        const answer = await call(node, route.path, { ...request(route), token: bad });
        expect(expectProblem(answer, 401, code).details).to.deep.equal({ reason });
        expect(answer.headers.get('www-authenticate')).to.equal('Bearer realm="unified-ws", error="invalid_token"');
        expect(answer.text).not.to.include(bad);
      }
    });

    it(`${name} refuses a token with every permission but its own`, async () => {
      const others = ALL_PERMISSIONS.filter((permission) => !route.permissions.includes(permission));
      const answer = await call(node, route.path, { ...request(route), token: withPermissions(others) });
      const problem = expectProblem(answer, 403, 'PERMISSION_DENIED');
      expect(problem.details).to.deep.equal({ permission: route.permissions[0] });
      expect(answer.headers.get('www-authenticate')).to.include('insufficient_scope');
    });

    for (const permission of route.permissions.filter((one) => !route.refused?.includes(one))) {
      it(`${name} asks for nothing but ${permission}`, async () => {
        const answer = await call(node, route.path, { ...request(route), token: withPermissions([permission]) });
        expect(answer.status, answer.text).to.equal(route.status);
      });
    }
  }

  it('takes no token from the URL, where it would end up in the logs of proxies', async () => {
    expectProblem(await call(node, `stats?token=${adminToken()}`), 401, 'AUTH_ERROR');
  });

  it('takes no other scheme than Bearer', async () => {
    const headers = { authorization: `Basic ${Buffer.from('admin:admin').toString('base64')}` };
    expectProblem(await call(node, 'stats', { headers }), 401, 'AUTH_ERROR');
  });

  it('a banned admin can do nothing more, although the token is good', async () => {
    const admin = adminToken('admin-banned');
    expect((await call(node, 'stats', { token: admin })).status).to.equal(200);
    const ban = { token: adminToken(), json: { ban_seconds: 60 } };
    expect((await call(node, 'disconnect/admin-banned', ban)).status).to.equal(200);
    const problem = expectProblem(await call(node, 'stats', { token: admin }), 401, 'TOKEN_REVOKED');
    expect(problem.details).to.include({ reason: 'banned' });
  });

  it('a revoked session ends here too, and only that one', async () => {
    const redis = world.redis.client();
    await redis.hset('uws:{u:admin-2}:revoked', 's:session-1', 'stolen');
    const of = (sid: string): string => token('admin-2', { roles: ['admin'], claims: { sid } });
    const problem = expectProblem(await call(node, 'stats', { token: of('session-1') }), 401, 'TOKEN_REVOKED');
    expect(problem.details).to.deep.equal({ reason: 'revoked' });
    expect((await call(node, 'stats', { token: of('session-2') })).status).to.equal(200);
  });

  it('a token from before the revocation of its user is void', async () => {
    const redis = world.redis.client();
    await redis.hset('uws:{u:admin-3}:revoked', 'before', String(Date.now() + 1000));
    expectProblem(await call(node, 'stats', { token: adminToken('admin-3') }), 401, 'TOKEN_REVOKED');
  });
});
