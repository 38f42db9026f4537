import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { CLOSE } from '@unified-ws/protocol';
import { signToken } from '@unified-ws/server/auth/signToken';
import { expect } from 'chai';
import { adminToken, token as mint } from '../../support/tokens.js';
import { type LocalNode, World } from '../support/world.js';

const NOW_S = Math.floor(Date.now() / 1000);
const USER = '36fa0f91-f94d-4a0c-afed-6b7d952e47da';
const SESSION = '2a88c258-f73a-4103-b862-e1fbd8f4e04e';
const TENANT = 'a1b2c3d4-0000-4000-8000-00000000beef';
const TIMES = { iat: NOW_S, nbf: NOW_S, exp: NOW_S + 3600 };

/** What a token of an issuer looks like, and how a node is told to read it. */
interface Issuer {
  readonly env: Readonly<Record<string, string>>;
  readonly token: Readonly<Record<string, unknown>>;
  readonly establishedData: Readonly<Record<string, unknown>>;
  /** Other tokens of the same issuer and key, which are no access tokens for this service. */
  readonly others: Readonly<
    Record<string, { readonly reason: string; readonly changes: Readonly<Record<string, unknown>> }>
  >;
}

const issuers: Record<string, Issuer> = {
  // Layout of Keycloak 20 and newer: `session_state` besides `sid` in older ones, client roles below `resource_access`.
  Keycloak: {
    env: {
      JWT_ISSUER: 'https://sso.example.com/realms/shop',
      JWT_AUDIENCE: 'unified-ws',
      JWT_ROLES_CLAIM: 'realm_access.roles,resource_access.com.example.ws.roles',
      JWT_PERMISSIONS_CLAIM: 'scope',
      JWT_USERNAME_CLAIM: 'preferred_username',
      JWT_GRANTS: 'role:user,role:operator,events:*',
    },
    token: {
      ...TIMES,
      jti: 'd58f5dc8-fd8f-462b-8a19-716f8f83985b',
      iss: 'https://sso.example.com/realms/shop',
      aud: ['unified-ws', 'account'],
      sub: USER,
      typ: 'Bearer',
      azp: 'shop-web',
      acr: '1',
      'allowed-origins': ['https://shop.example.com'],
      realm_access: { roles: ['offline_access', 'default-roles-shop', 'uma_authorization', 'user', 'admin'] },
      resource_access: {
        'com.example.ws': { roles: ['operator'] },
        account: { roles: ['manage-account', 'view-profile', 'admin'] },
      },
      scope: 'openid email profile events:publish admin:queue',
      sid: SESSION,
      email_verified: true,
      name: 'Ada Lovelace',
      preferred_username: 'ada',
    },
    establishedData: { user_id: USER, username: 'ada', roles: ['user', 'operator'], is_admin: false },
    others: {
      'its ID token': { reason: 'wrong_audience', changes: { typ: 'ID', aud: 'shop-web' } },
      'an ID token for the same audience': { reason: 'wrong_token_use', changes: { typ: 'ID' } },
      'its refresh token': { reason: 'wrong_token_use', changes: { typ: 'Refresh' } },
      'its logout token': { reason: 'wrong_token_use', changes: { typ: 'Logout' } },
      'a token of another realm': { reason: 'wrong_issuer', changes: { iss: 'https://sso.example.com/realms/other' } },
    },
  },
  // v2.0 access token for an API of one's own: app roles in `roles`, delegated scopes in `scp`, `oid` is the user in all apps.
  'Entra ID': {
    env: {
      JWT_ISSUER: `https://login.microsoftonline.com/${TENANT}/v2.0`,
      JWT_AUDIENCE: '6e74172b-be56-4843-9ff4-e66a39bb12e3',
      JWT_USER_CLAIM: 'oid',
      JWT_USERNAME_CLAIM: 'preferred_username',
      JWT_PERMISSIONS_CLAIM: 'scp',
      JWT_GRANTS: 'role:user,role:operator,events:*',
    },
    token: {
      ...TIMES,
      aud: '6e74172b-be56-4843-9ff4-e66a39bb12e3',
      iss: `https://login.microsoftonline.com/${TENANT}/v2.0`,
      aio: 'AXQAi/8IAAAA',
      azp: '6e74172b-be56-4843-9ff4-e66a39bb12e4',
      azpacr: '0',
      name: 'Ada Lovelace',
      oid: USER,
      preferred_username: 'ada@example.com',
      rh: '0.ARoAv4j5cvGGr0GRqy180BHbR',
      roles: ['user', 'operator', 'admin'],
      scp: 'events:publish admin:queue',
      sid: SESSION,
      sub: 'HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ',
      tid: TENANT,
      uti: 'fqiBqXLPj0eQa82S-IYFAA',
      ver: '2.0',
    },
    establishedData: { user_id: USER, username: 'ada@example.com', roles: ['user', 'operator'], is_admin: false },
    others: {
      'its ID token': { reason: 'wrong_audience', changes: { aud: '6e74172b-be56-4843-9ff4-e66a39bb12e4' } },
      'a token of another tenant': {
        reason: 'wrong_issuer',
        changes: { iss: 'https://login.microsoftonline.com/00000000-0000-0000-0000-000000000000/v2.0' },
      },
      'a v1.0 token': { reason: 'wrong_issuer', changes: { iss: `https://sts.windows.net/${TENANT}/`, ver: '1.0' } },
      'a token without its user claim': { reason: 'invalid_claims', changes: { oid: undefined } },
    },
  },
  // RBAC with "Add Permissions in the Access Token"; roles and session by an Action, below a namespace as Auth0 asks for.
  Auth0: {
    env: {
      JWT_ISSUER: 'https://example.eu.auth0.com/',
      JWT_AUDIENCE: 'https://ws.example.com',
      JWT_ROLES_CLAIM: 'https://example.com/roles',
      JWT_USERNAME_CLAIM: 'https://example.com/nickname',
      JWT_SESSION_CLAIM: 'https://example.com/session',
      JWT_GRANTS: 'role:user,role:operator,events:*',
    },
    token: {
      'https://example.com/roles': ['user', 'operator', 'admin'],
      'https://example.com/nickname': 'ada',
      'https://example.com/session': SESSION,
      iss: 'https://example.eu.auth0.com/',
      sub: 'auth0|5f7c8ec7c33c6c004bbafe82',
      aud: ['https://ws.example.com', 'https://example.eu.auth0.com/userinfo'],
      iat: NOW_S,
      exp: NOW_S + 86_400,
      azp: 'my_client_id',
      scope: 'openid profile email',
      permissions: ['events:publish', 'admin:queue'],
    },
    establishedData: {
      user_id: 'auth0|5f7c8ec7c33c6c004bbafe82',
      username: 'ada',
      roles: ['user', 'operator'],
      is_admin: false,
    },
    others: {
      'its ID token': { reason: 'wrong_audience', changes: { aud: 'my_client_id' } },
      'a token for userinfo alone': {
        reason: 'wrong_audience',
        changes: { aud: 'https://example.eu.auth0.com/userinfo' },
      },
    },
  },
};

describe('tokens of real issuers', function () {
  this.timeout(30_000);
  const world = new World();
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const encryption = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const lines: string[] = [];
  let keySet: Server;
  let jwksUrl: string;
  const nodes = new Map<string, LocalNode>();

  before(async () => {
    await world.start();
    world.onLog = (line) => lines.push(line);
    const jwk = (key: KeyObject, more: object): object => ({ ...key.export({ format: 'jwk' }), ...more });
    // Keycloak publishes its key for encryption beside that for signatures, Entra ID no `alg`.
    const keys = [
      jwk(encryption.publicKey, { use: 'enc', kid: 'k0', alg: 'RSA-OAEP' }),
      jwk(publicKey, { use: 'sig', kid: 'k1' }),
    ];
    keySet = createServer((_request, response) => response.end(JSON.stringify({ keys })));
    keySet.listen(0, '127.0.0.1');
    await once(keySet, 'listening');
    jwksUrl = `http://127.0.0.1:${(keySet.address() as AddressInfo).port}/jwks`;
    for (const [name, { env }] of Object.entries(issuers)) {
      nodes.set(name, await world.node({ JWT_SECRET: '', JWT_JWKS_URL: jwksUrl, ...env }));
    }
  });
  after(async () => {
    await world.stop();
    keySet.closeAllConnections();
    keySet.close();
  });

  const sign = (claims: Readonly<Record<string, unknown>>, key: KeyObject = privateKey): string =>
    signToken(key, claims as { sub: string }, { algorithm: 'RS256', keyId: 'k1' });

  for (const [name, { token, establishedData, others }] of Object.entries(issuers)) {
    const node = (): LocalNode => nodes.get(name) as LocalNode;

    it(`must say who the user of ${name} is and what he may, and grant nothing beyond the cap`, async () => {
      const client = world.dial(node(), { token: sign(token) });
      const reported = await client.established();
      expect(reported).to.deep.include(establishedData);
      expect(reported.permissions).to.include('events:publish');
      expect(reported.permissions).not.to.include('admin:queue_write').and.not.include('admin:broadcast');
      const client2 = world.dial(node(), { token: sign(token) });
      await client2.established();
      expect((await client.ended).code).to.equal(CLOSE.SUPERSEDED);
      await client2.close();
    });

    for (const [what, { reason, changes }] of Object.entries(others)) {
      it(`must not take for an access token of ${name}: ${what}`, async () => {
        const client = world.dial(node(), { token: sign({ ...token, ...changes }) });
        const error = await client.waitFor('error');
        expect(error.data).to.deep.include({ error_code: 'AUTH_ERROR' });
        expect(error.data.details).to.deep.include({ reason });
        expect((await client.ended).code).to.equal(CLOSE.AUTH_FAILED);
      });
    }

    it(`must refuse a token of ${name} that another key has signed`, async () => {
      const client = world.dial(node(), { token: sign(token, stranger.privateKey) });
      expect((await client.waitFor('error')).data.details).to.deep.include({
        reason: 'bad_signature',
      });
      await client.ended;
    });
  }

  it('must not let one issuer speak for another, and cap each by itself', async () => {
    const dir = mkdtempSync(path.join(tmpdir(), 'uws-issuers-'));
    const file = path.join(dir, 'issuers.json');
    const { JWT_ISSUER = '', JWT_AUDIENCE = '' } = issuers.Keycloak?.env ?? {};
    writeFileSync(
      file,
      JSON.stringify([
        {
          issuer: JWT_ISSUER,
          audience: [JWT_AUDIENCE],
          jwks_url: jwksUrl,
          roles_claim: ['realm_access.roles'],
          grants: ['role:user', 'events:*'],
          user_prefix: 'kc:',
        },
      ]),
    );
    const own = { JWT_ISSUER: 'https://own.example', JWT_AUDIENCE: 'own' };
    const node = await world.node({ ...own, JWT_ISSUERS: file });
    const ownClaims = { iss: own.JWT_ISSUER, aud: 'own' };
    const keycloak = issuers.Keycloak?.token ?? {};

    // Its own admins are admins; the capped issuer's are not, and are nobody else's users.
    const admin = world.dial(node, { token: mint(USER, { roles: ['admin'], claims: ownClaims }) });
    expect(await admin.established()).to.include({ user_id: USER, is_admin: true });
    const customer = world.dial(node, { token: sign(keycloak) });
    expect(await customer.established()).to.deep.include({ user_id: `kc:${USER}`, roles: ['user'], is_admin: false });
    expect(admin.ending).to.equal(null);
    const grants = lines.filter((line) => line.includes('grant_refused') && line.includes(`kc:${USER}`));
    expect(grants.join()).to.include('role:admin').and.include(JWT_ISSUER);

    // Each key is good for its own issuer alone.
    const crossed: Record<string, string> = {
      'the key of the other, in our name': sign({
        ...keycloak,
        ...ownClaims,
        realm_access: undefined,
        roles: ['admin'],
      }),
      'our key, in the name of the other': mint('x', { claims: { iss: JWT_ISSUER, aud: JWT_AUDIENCE } }),
      'of nobody': mint('x', { claims: { iss: 'https://nobody.example', aud: 'own' } }),
      'without an issuer': mint('x', { claims: { aud: 'own' } }),
    };
    for (const [what, text] of Object.entries(crossed)) {
      const client = world.dial(node, { token: text });
      expect((await client.ended).code, what).to.equal(CLOSE.AUTH_FAILED);
    }
    await Promise.all([admin.close(), customer.close()]);
    rmSync(dir, { recursive: true });
  });

  it('must refuse a token in the URL where it is switched off, and say what to do', async () => {
    const node = await world.node({ TOKEN_IN_QUERY: 'false' });
    const client = world.dial(node, { query: { token: adminToken() } });
    const error = await client.waitFor('error');
    expect(error.data.message).to.match(/header/);
    expect(error.data.details).to.deep.equal({ reason: 'query_token' });
    expect((await client.ended).code).to.equal(CLOSE.AUTH_FAILED);
    // Beside a carrier that is taken it does not matter.
    const good = await world.connect(node, world.user(), ['user'], { query: { token: 'rubbish' } });
    await good.close();
  });
});
