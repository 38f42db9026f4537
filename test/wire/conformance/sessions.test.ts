import { expect } from 'chai';
import type { Data } from './support/client.js';
import { covers } from './support/coverage.js';
import { nowS, signed, token } from './support/jwt.js';
import { adminToken, given, userToken } from './support/target.js';
import { until } from './support/wait.js';

/** Longer than a server can be expected to be patient with a token that has ended, milliseconds. */
const GRACE_MS = 90_000;
const after = (seconds: number): string => new Date((nowS() + seconds) * 1000).toISOString().replace('.000Z', 'Z');

describe('the life of a session', () => {
  covers(
    { client: ['refresh_token'], server: ['token_refreshed'] },
    'a connection is given a newer token without an end of it',
    async (t) => {
      const client = await t.user();
      const reply = await client.ask('refresh_token', { token: userToken() }, 'token_refreshed');
      expect(reply.permissions).to.have.members(client.establishedData.permissions as string[]);
      expect(reply.removed_subscriptions).to.deep.equal([]);
      expect(reply.expires_at).to.equal(client.establishedData.expires_at);
    },
  );

  covers(
    { client: ['refresh_token'], errors: ['AUTH_ERROR'] },
    "another user's token, or a bad one, is refused, and the connection goes on as it was",
    async (t) => {
      const client = await t.user();
      for (const [bad, reason] of [
        [adminToken(), 'wrong_user'],
        ['rubbish', 'malformed'],
      ] as const) {
        const { data } = await client.request('refresh_token', { token: bad });
        expect(data).to.deep.include({ error_code: 'AUTH_ERROR', recoverable: true, details: { reason } });
        expect(JSON.stringify(data)).to.not.include(bad);
      }
      const status = await client.ask('get_connection_status', undefined, 'connection_status');
      expect(status.user_id).to.equal(client.userId);
    },
  );

  covers(
    { client: ['refresh_token'], server: ['token_refreshed'], needs: ['secret'] },
    'new roles are in force from the reply on, and what they no longer allow is unsubscribed',
    async (t) => {
      const sub = t.name();
      const client = await t.connect({ token: token(sub, { roles: ['admin'] }) });
      await client.ask('subscribe_events', { event_types: ['audit_log'] }, 'subscription_updated');
      const next = token(sub, { roles: ['user'], exp: nowS() + 900 });
      const reply = await client.ask('refresh_token', { token: next }, 'token_refreshed');
      expect(reply.permissions).to.deep.equal(['events:receive']);
      expect(reply.removed_subscriptions).to.include('audit_log');
      expect(Date.parse(String(reply.expires_at))).to.be.greaterThan(
        Date.parse(String(client.establishedData.expires_at)),
      );
      const denied = await client.request('get_connection_stats');
      expect(denied.data).to.include({ error_code: 'PERMISSION_DENIED' });
    },
  );

  covers(
    { server: ['token_expiring'], errors: ['TOKEN_EXPIRED'], closes: [4101], needs: ['secret'] },
    'a token that ends is announced, and without another one the connection ends with it',
    async (t) => {
      t.extend(GRACE_MS);
      const exp = nowS() + 3;
      const text = token(t.name(), { exp });
      const client = await t.connect({ token: text });
      const { data } = await client.waitFor('token_expiring');
      expect(Date.parse(String(data.expires_at))).to.equal(exp * 1000);
      expect(Date.now(), 'announced before it ends').to.be.lessThan(exp * 1000);
      expect((await client.closed(GRACE_MS)).code).to.equal(4101);
      expect(Date.now(), 'closed after it has ended').to.be.at.least(exp * 1000);
      const late = await t.dial({ token: text });
      expect((await late.closed()).code).to.equal(4101);
      expect(late.frames[0]?.data).to.include({ error_code: 'TOKEN_EXPIRED' });
    },
  );

  covers(
    {
      client: ['refresh_token'],
      server: ['token_expiring', 'token_refreshed'],
      closes: [4101],
      routes: ['POST /users/:user_id/permissions-changed'],
      needs: ['secret'],
    },
    'a token that is declared out of date is asked for anew, and only who brings a newer one stays',
    async (t) => {
      const [good, bad] = [t.name(), t.name()];
      const clients = { good: await t.connect({ token: token(good) }), bad: await t.connect({ token: token(bad) }) };
      const order = (user: string): ReturnType<typeof t.rest> =>
        t.rest('POST', `/users/${user}/permissions-changed`, { body: {} });
      const { body } = await order(bad);
      expect(body).to.include({ user_id: bad, result: 'applied', node_id: clients.bad.establishedData.node_id });
      await clients.bad.waitFor('token_expiring');
      await order(good);
      await clients.good.waitFor('token_expiring');
      const newer = await until(() => {
        const text = token(good);
        return Date.now() >= Date.parse(String(body.as_of)) && text;
      }, 'the next second');
      await clients.good.ask('refresh_token', { token: newer }, 'token_refreshed');
      const wait = Date.parse(String(body.renew_by)) - Date.now();
      t.extend(wait);
      expect((await clients.bad.closed(wait + 10_000)).code).to.equal(4101);
      await clients.good.settled();
    },
  );

  covers(
    {
      server: ['subscription_updated'],
      routes: ['POST /users/:user_id/permissions-changed'],
      needs: ['secret'],
    },
    'withdrawn permissions end the subscriptions that needed them, at once and unasked',
    async (t) => {
      const sub = t.name();
      const client = await t.connect({ token: token(sub, { roles: ['admin'] }) });
      await client.ask('subscribe_events', { event_types: ['audit_log'] }, 'subscription_updated');
      const { body } = await t.rest('POST', `/users/${sub}/permissions-changed`, { body: { roles: ['user'] } });
      expect(body).to.include({ result: 'applied', renew_by: null });
      const { data, reply_to } = await client.waitFor('subscription_updated', (frame) => frame.reply_to === undefined);
      expect(reply_to).to.equal(undefined);
      expect(data.reason).to.equal('permissions_changed');
      expect(data.subscriptions).to.not.include('audit_log');
      const denied = await client.request('get_connection_stats');
      expect(denied.data).to.include({ error_code: 'PERMISSION_DENIED' });
      const again = await t.connect({ token: token(sub, { roles: ['admin'], iat: nowS() - 60 }) });
      expect(again.establishedData.roles, 'an older token counts for no more elsewhere').to.deep.equal(['user']);
    },
  );

  covers(
    { errors: ['TOKEN_REVOKED'], closes: [4102], routes: ['POST /users/:user_id/revoke'], needs: ['secret'] },
    'revoked tokens end the connection, are refused everywhere, and later ones are good',
    async (t) => {
      const sub = t.name();
      const old = token(sub, { iat: nowS() - 5 });
      const client = await t.connect({ token: old });
      const { body } = await t.rest('POST', `/users/${sub}/revoke`, { body: {} });
      expect(body).to.include({ user_id: sub, result: 'closed', session: null });
      expect((await client.closed()).code).to.equal(4102);
      const refused = await t.dial({ token: old });
      expect((await refused.closed()).code).to.equal(4102);
      expect(refused.frames[0]?.data).to.include({ error_code: 'TOKEN_REVOKED', recoverable: false });
      const rest = await t.rest('GET', '/stats', { token: token(sub, { iat: nowS() - 5, roles: ['admin'] }) });
      expect(rest.status).to.equal(401);
      expect(rest.body.code).to.equal('TOKEN_REVOKED');
      const next = await t.connect({ token: token(sub) });
      const { data } = await next.request('refresh_token', { token: old });
      expect(data).to.include({ error_code: 'TOKEN_REVOKED', recoverable: true });
      await next.settled();
    },
  );

  covers(
    { closes: [4102], routes: ['POST /users/:user_id/revoke'], needs: ['secret'] },
    'a revoked session takes its own tokens alone, and a time those before it',
    async (t) => {
      const sub = t.name();
      const claims = { iat: nowS() - 60 };
      const lost = await t.connect({ token: token(sub, { ...claims, sid: 'lost' }) });
      const { body } = await t.rest('POST', `/users/${sub}/revoke`, { body: { session: 'lost' } });
      expect(body).to.include({ result: 'closed', session: 'lost', before: null });
      expect((await lost.closed()).code).to.equal(4102);
      const other = await t.connect({ token: token(sub, { ...claims, sid: 'other' }) });
      const earlier = await t.rest('POST', `/users/${sub}/revoke`, { body: { before: after(-120) } });
      expect(earlier.body).to.include({ result: 'unaffected' });
      await other.settled();
      const later = await t.rest('POST', `/users/${sub}/revoke`, { body: { before: after(-30) } });
      expect(later.body).to.include({ result: 'closed' });
      expect((await other.closed()).code).to.equal(4102);
      const future = await t.rest('POST', `/users/${sub}/revoke`, { body: { before: after(600) } });
      expect(future.status).to.equal(400);
    },
  );
});

/** Every way in which a token that was signed with the right secret, or not, can be wrong. */
const WRONG: Readonly<Record<string, (sub: string) => [token: string, reason: string]>> = {
  'it is signed with another secret': (sub) => [token(sub, {}, 'x'.repeat(40)), 'bad_signature'],
  'it is not signed at all': (sub) => [signed({ alg: 'none' }, { sub, exp: nowS() + 60 }, 'x'), 'wrong_algorithm'],
  'it is of an unknown algorithm': (sub) => [signed({ alg: 'HS1' }, { sub, exp: nowS() + 60 }, 'x'), 'wrong_algorithm'],
  'it is not valid yet': (sub) => [token(sub, { nbf: nowS() + 600 }), 'not_yet_valid'],
  'it is a refresh token': (sub) => [token(sub, { token_use: 'refresh' }), 'wrong_token_use'],
  'it names nobody': () => [token('', { sub: undefined }), 'invalid_claims'],
  'its user is no text': () => [token('', { sub: 7 }), 'invalid_claims'],
  'it has no end': (sub) => [token(sub, { exp: undefined }), 'invalid_claims'],
  'its roles are no list': (sub) => [token(sub, { roles: 'admin' }), 'invalid_claims'],
  'it has three parts of nothing': () => ['a.b.c', 'malformed'],
};

describe('wrong tokens', () => {
  for (const [what, make] of Object.entries(WRONG)) {
    covers(
      { errors: ['AUTH_ERROR'], closes: [4100], needs: ['secret'] },
      `a token is refused when ${what}`,
      async (t) => {
        const [text, reason] = make(t.name());
        const client = await t.dial({ token: text });
        expect((await client.closed()).code).to.equal(4100);
        expect(client.frames).to.have.length(1);
        expect(client.frames[0]?.data).to.deep.include({
          error_code: 'AUTH_ERROR',
          details: reasonOf(client.frames[0]?.data, reason),
        });
        const rest = await t.rest('GET', '/stats', { token: text });
        expect(rest.status).to.equal(401);
        expect(rest.body.code).to.equal('AUTH_ERROR');
      },
    );
  }

  covers(
    { errors: ['AUTH_ERROR'], closes: [4100], needs: ['secret', 'issuer', 'audience'] },
    'a token of another issuer, or for another audience, is refused',
    async (t) => {
      for (const [claims, reason] of [
        [{ iss: 'https://somebody.test' }, 'wrong_issuer'],
        [{ iss: undefined }, 'wrong_issuer'],
        [{ aud: 'somebody-else' }, 'wrong_audience'],
      ] as const) {
        const client = await t.dial({ token: token(t.name(), claims) });
        expect((await client.closed()).code).to.equal(4100);
        expect((client.frames[0]?.data.details as Data).reason).to.equal(reason);
      }
      expect(given('issuer')).to.be.a('string');
    },
  );

  covers(
    { needs: ['secret'] },
    'an unknown role gives nothing, and a single permission no more than itself',
    async (t) => {
      const odd = await t.stranger({ roles: ['superuser', 'constructor'] });
      expect(odd.establishedData.permissions).to.deep.equal([]);
      expect(odd.establishedData.subscriptions).to.deep.equal([]);
      const one = await t.stranger({ roles: ['user'], permissions: ['admin:stats'] });
      expect(one.establishedData.permissions).to.have.members(['events:receive', 'admin:stats']);
      await one.ask('get_connection_stats', undefined, 'connection_stats');
      expect((await one.request('get_event_queue_status')).data).to.include({ error_code: 'PERMISSION_DENIED' });
    },
  );
});

/** `invalid_claims` names the claim too. */
function reasonOf(data: Data | undefined, reason: string): Data {
  const { claim } = (data?.details ?? {}) as { claim?: unknown };
  return claim === undefined ? { reason } : { reason, claim };
}
