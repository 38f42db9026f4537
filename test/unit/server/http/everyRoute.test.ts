import { REST_BASE } from '@unified-ws/protocol';
import { signToken } from '@unified-ws/server/auth/signToken';
import { expect } from 'chai';
import { forge, NOW_S, SECRET, verifierOf } from '../auth/support.js';
import { StubApp } from './stubApp.js';
import { call, expectProblem } from './support.js';

/** What anybody may read; `/metrics` has a token of its own. */
const PUBLIC: ReadonlySet<string> = new Set([
  '/livez',
  '/readyz',
  '/metrics',
  REST_BASE,
  `${REST_BASE}/info`,
  '/api/unified/openapi.json',
  '/api/unified/asyncapi.json',
]);

/** What anybody with a good token may read of himself. */
const ANY_TOKEN: ReadonlySet<string> = new Set([`${REST_BASE}/rollout/me`]);

describe('every REST route that is mounted', () => {
  let app: StubApp;

  before(async () => {
    const orders = { revokedCode: 0, amendment: { roles: null, permissions: null, renewal: null } };
    app = await StubApp.listen({
      verifier: verifierOf(),
      store: { orders: () => Promise.resolve(orders) },
      reports: {},
      report: () => undefined,
    });
  });
  after(() => app.close());

  // Seen red with a route that was added without its `authorise`. Whatever is not in PUBLIC is asked, so that none can be forgotten.
  it('must answer nobody without a token, nor one without any permission: the predecessor let everybody in (F18, F23)', async () => {
    const without = signToken(SECRET, { sub: 'u', roles: [] }, { nowS: NOW_S });
    const forged = forge({ alg: 'HS256', typ: 'JWT' }, { sub: 'u', roles: ['admin'], exp: NOW_S + 600 }, 'another key');
    let asked = 0;
    for (const { path, methods } of app.routes) {
      if (PUBLIC.has(path)) continue;
      const url = path.replace(/:\w+/g, 'x');
      for (const method of methods) {
        const name = `${method} ${path}`;
        expect((await call(app, url, { method })).status, name).to.equal(401);
        expect((await call(app, url, { method, token: forged })).status, name).to.equal(401);
        if (ANY_TOKEN.has(path)) continue;
        expectProblem(await call(app, url, { method, token: without }), 403, 'PERMISSION_DENIED');
        asked += 1;
      }
    }
    expect(asked, 'routes').to.be.at.least(25);
  });
});
