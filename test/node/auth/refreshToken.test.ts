import { expect } from 'chai';
import type { Redis } from 'ioredis';
import type { TestClient } from '../../support/client.js';
import { adminToken, token } from '../../support/tokens.js';
import { until } from '../../support/wait.js';
import { call } from '../../unit/server/http/support.js';
import { expectMessage } from '../support/schemas.js';
import { type LocalNode, World } from '../support/world.js';

// Seen red: without the comparison of users, without asking the registry of the new token, and with the old token left in place.
describe('refresh_token', function () {
  this.timeout(10_000);
  const world = new World();
  let node: LocalNode;
  let redis: Redis;

  before(async () => {
    await world.start();
    redis = world.redis.client();
    node = await world.node({ SWEEP_INTERVAL_MS: '200' });
  });
  afterEach(() => world.endClients());
  after(() => world.stop());

  const refresh = (client: TestClient, text: string) => client.request('refresh_token', { token: text });

  it('a bad token must be refused with its reason and change nothing', async () => {
    const user = world.user();
    const client = await world.connect(node, user);
    await redis.hset(`uws:{u:${user}}:revoked`, 's:stolen', 'yes');
    for (const [text, code, reason] of [
      [token('somebody-else'), 'AUTH_ERROR', 'wrong_user'],
      [token(user, { secret: 'another-secret-0123456789-0123456789' }), 'AUTH_ERROR', 'bad_signature'],
      [token(user, { nowS: 1_000_000_000 }), 'TOKEN_EXPIRED', 'expired'],
      [token(user, { claims: { token_use: 'refresh' } }), 'AUTH_ERROR', 'wrong_token_use'],
      [token(user, { claims: { sid: 'stolen' } }), 'TOKEN_REVOKED', 'revoked'],
      ['x', 'AUTH_ERROR', 'malformed'],
    ] as const) {
      const frame = await refresh(client, text);
      expectMessage(frame, 'error');
      expect(frame.data).to.deep.include({ error_code: code, recoverable: true, details: { reason } });
    }
    const { subscriptions } = await client.ask('get_subscription_info', {}, 'subscription_info');
    expect(subscriptions).to.deep.equal(client.establishedData?.subscriptions);
  });

  it('new roles must be in force with the reply, and what they took away be named in it', async () => {
    const user = world.user();
    const client = await world.connect(node, user, ['admin']);
    const frame = await refresh(client, token(user, { roles: ['user'], lifetimeS: 60 }));
    expectMessage(frame, 'token_refreshed');
    expect(frame.data.permissions).to.deep.equal(['events:receive']);
    expect(frame.data.removed_subscriptions).to.include('user_login').and.not.include('zone_created');
    expect(Date.parse(frame.data.expires_at as string) - Date.now()).to.be.within(55_000, 60_000);
    const reported = await client.waitFor('subscription_updated');
    expect(reported.data.reason).to.equal('token_refreshed');
    expect((await client.request('disconnect_user', { user_id: 'x' })).data.error_code).to.equal('PERMISSION_DENIED');
    await refresh(client, token(user, { roles: ['admin'] }));
    const status = await client.ask('get_connection_status', {}, 'connection_status');
    expect(status.subscriptions).to.include('user_login');
    const seen = await until(
      async () => {
        const { body } = await call(node, `user/${user}`, { token: adminToken() });
        return body.is_admin && body;
      },
      { what: 'the registry knows the new roles' },
    );
    expect(seen.roles).to.deep.equal(['admin']);
  });

  it('a revocation must meet the session of the token in force, not that of the one before', async () => {
    const user = world.user();
    const client = await world.connect(node, user, [], { token: token(user, { claims: { sid: 'first' } }) });
    await refresh(client, token(user, { claims: { sid: 'second' } }));
    await redis.hset(`uws:{u:${user}}:revoked`, 's:first', 'over');
    // Has the connection compared with the registry at once.
    await call(node, `users/${user}/permissions-changed`, { json: { permissions: [] }, token: adminToken() });
    expect(client.isOpen).to.equal(true);
    await redis.hset(`uws:{u:${user}}:revoked`, 's:second', 'over');
    expect((await client.ended).code).to.equal(4102);
  });

  it('a token that Redis cannot be asked about must not be taken on trust, nor cost the connection', async () => {
    const user = world.user();
    const client = await world.connect(node, user);
    const key = `uws:{u:${user}}:revoked`;
    await redis.set(key, 'not a hash');
    const frame = await refresh(client, token(user));
    expect(frame.data).to.include({ error_code: 'UNAVAILABLE', recoverable: true });
    await redis.del(key);
    expect((await refresh(client, token(user))).type).to.equal('token_refreshed');
  });
});
