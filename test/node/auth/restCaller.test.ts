import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Catalogue } from '@unified-ws/protocol';
import { loadCatalogue } from '@unified-ws/server/events/catalogue/eventCatalogue';
import { expect } from 'chai';
import { adminToken, token } from '../../support/tokens.js';
import { until } from '../../support/wait.js';
import { type Answer, call, expectProblem } from '../../unit/server/http/support.js';
import { type LocalNode, World } from '../support/world.js';

const EVENT = { event_type: 'health_update', data: { status: 'ok' } };

// Seen red: with the caller remembered for 5 s instead of the token's proof (every test), without `store.orders` (revoke, ban, role),
// without the look at the time (end of the token).
describe('a publisher whose token is remembered', function () {
  this.timeout(15_000);
  const world = new World();
  const dir = mkdtempSync(join(tmpdir(), 'uws-rest-'));
  const catalogueFile = join(dir, 'catalogue.json');
  let one: LocalNode;
  let two: LocalNode;

  before(async () => {
    await world.start();
    writeFileSync(catalogueFile, JSON.stringify(loadCatalogue().raw));
    [one, two] = (await Promise.all(
      ['one', 'two'].map((id) => world.node({ NODE_ID: id, EVENT_CATALOGUE: catalogueFile })),
    )) as [LocalNode, LocalNode];
  });
  after(async () => {
    await world.stop();
    rmSync(dir, { recursive: true });
  });

  const publish = (text: string): Promise<Answer> => call(one, 'events', { json: EVENT, token: text });
  const order = (path: string, json: object): Promise<Answer> => call(two, path, { json, token: adminToken() });

  /** Publishes until nothing of it is new to the node. */
  async function warm(user: string, claims: object = {}): Promise<string> {
    const text = token(user, { roles: ['service'], claims });
    for (let i = 0; i < 3; i += 1) expect((await publish(text)).status).to.equal(202);
    return text;
  }

  it('must not publish once the answer to a revocation on another node is there', async () => {
    const user = world.user();
    const text = await warm(user);
    expect((await order(`users/${user}/revoke`, {})).status).to.equal(200);
    expect(expectProblem(await publish(text), 401, 'TOKEN_REVOKED').details).to.deep.equal({ reason: 'revoked' });
    // A newer token is another token.
    await until(async () => (await publish(token(user, { roles: ['service'] }))).status === 202, {
      what: 'a new login',
    });
  });

  it('must not publish from a revoked session, and must from another', async () => {
    const user = world.user();
    const text = await warm(user, { sid: 'stolen' });
    const other = await warm(user, { sid: 'own' });
    await order(`users/${user}/revoke`, { session: 'stolen' });
    expectProblem(await publish(text), 401, 'TOKEN_REVOKED');
    expect((await publish(other)).status).to.equal(202);
  });

  it('must not publish once banned on another node, and must again once the ban is lifted', async () => {
    const user = world.user();
    const text = await warm(user);
    await order(`disconnect/${user}`, { ban_seconds: 600 });
    expect(expectProblem(await publish(text), 401, 'TOKEN_REVOKED').details).to.include({ reason: 'banned' });
    expect((await call(two, `users/${user}/ban`, { method: 'DELETE', token: adminToken() })).status).to.equal(200);
    expect((await publish(text)).status).to.equal(202);
  });

  it('must not publish once another node took the role away', async () => {
    const user = world.user();
    const text = await warm(user, { iat: Math.floor(Date.now() / 1000) - 10 });
    expect((await order(`users/${user}/permissions-changed`, { roles: ['user'] })).status).to.equal(200);
    expect(expectProblem(await publish(text), 403, 'PERMISSION_DENIED').details).to.deep.equal({
      permission: 'events:publish',
    });
  });

  it('must not publish once the catalogue, reloaded on another node, takes the permission from the role', async () => {
    const text = await warm(world.user());
    const draft = structuredClone(loadCatalogue().raw) as Catalogue & {
      roles: Record<string, { permissions: string[] }>;
    };
    const { service } = draft.roles;
    if (!service) throw new Error('there is no role service');
    service.permissions = service.permissions.filter((permission) => permission !== 'events:publish');
    writeFileSync(catalogueFile, JSON.stringify(draft));
    expect((await order('catalogue/reload', {})).body.result).to.equal('applied');
    expectProblem(await publish(text), 403, 'PERMISSION_DENIED');
    writeFileSync(catalogueFile, JSON.stringify(loadCatalogue().raw));
    expect((await order('catalogue/reload', {})).body.result).to.equal('applied');
    expect((await publish(text)).status).to.equal(202);
  });

  it('must not publish with a token that has ended meanwhile', async () => {
    const nowS = Math.floor(Date.now() / 1000);
    // A token is accepted for 5 s after its end.
    const text = await warm(world.user(), { iat: nowS - 60, exp: nowS - 3 });
    let acceptedAt = 0;
    const refused = await until(
      async () => {
        const at = Date.now();
        const answer = await publish(text);
        if (answer.status !== 202) return answer;
        acceptedAt = at;
        return null;
      },
      { what: 'the end of the token' },
    );
    expectProblem(refused, 401, 'TOKEN_EXPIRED');
    expect(acceptedAt).to.be.lessThan((nowS + 2) * 1000);
  });
});
