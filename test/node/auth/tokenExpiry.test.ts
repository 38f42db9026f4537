import { expect } from 'chai';
import type { TestClient } from '../../support/client.js';
import { RedisProxy } from '../../support/redisProxy.js';
import { adminToken, token } from '../../support/tokens.js';
import { until } from '../../support/wait.js';
import { call } from '../../unit/server/http/support.js';
import { logOf, storedEvent } from '../support/events.js';
import { expectMessage } from '../support/schemas.js';
import { type LocalNode, World } from '../support/world.js';

/** CLOCK_TOLERANCE_S: a token is taken so long after its end. */
const TOLERANCE_S = 5;
const NOTICE_MS = 1500;

// Seen red: without endToken in Authority.admit (told, tolerance, cut off, short-lived, circle), with the end of the token before left in force by
// Authority.renew (refreshed, takes nothing), without `congested` in Liveness.isWatched (takes nothing), without the cap of tokenEnd
// (short-lived), and without afterRefresh (circle).
describe('the end of a token', function () {
  this.timeout(15_000);
  const world = new World();
  let node: LocalNode;

  before(async () => {
    await world.start();
    node = await world.node({ TOKEN_NOTICE_MS: String(NOTICE_MS), TOKEN_GRACE_MS: '100' });
  });
  afterEach(() => world.endClients());
  after(() => world.stop());

  /** A token that ends at this second, wall clock, and is an hour old by then. */
  const endingAt = (user: string, exp: number): string =>
    token(user, { claims: { exp, iat: Math.min(exp - 3600, nowS()) } });
  const nowS = (): number => Math.floor(Date.now() / 1000);
  const notices = (client: TestClient): number =>
    client.frames.filter((frame) => frame.type === 'token_expiring').length;

  it('a client that is not told in time must log in anew', async () => {
    const user = world.user();
    const exp = nowS() + 3;
    const client = await world.connect(node, user, [], { token: endingAt(user, exp) });
    expect(client.establishedData?.expires_at).to.equal(new Date(exp * 1000).toISOString());
    const reported = await client.waitFor('token_expiring');
    expectMessage(reported, 'token_expiring');
    expect(reported.data).to.deep.equal({ expires_at: client.establishedData?.expires_at });
    expect(exp * 1000 - Date.now()).to.be.within(NOTICE_MS - 400, NOTICE_MS);
  });

  it('a token that ran out within the tolerance must not be let in and thrown out at once, nor be kept for good', async () => {
    const user = world.user();
    const exp = nowS() - 3;
    const client = await world.connect(node, user, [], { token: endingAt(user, exp) });
    await client.waitFor('token_expiring');
    expect((await client.ended).code).to.equal(4101);
    expect(Date.now() - (exp + TOLERANCE_S) * 1000).to.be.within(0, 400);
    const late = world.dial(node, { token: endingAt(user, exp) });
    expect((await late.ended).code).to.equal(4101);
  });

  it('a connection that was refreshed must outlive the token that it came with', async () => {
    const user = world.user();
    const exp = nowS() - 3;
    const client = await world.connect(node, user, [], { token: endingAt(user, exp) });
    const { expires_at } = await client.ask('refresh_token', { token: token(user) }, 'token_refreshed');
    expect(Date.parse(expires_at)).to.be.greaterThan(Date.now() + 3_000_000);
    await until(() => Date.now() > (exp + TOLERANCE_S) * 1000 + 400, { what: 'the first token is over' });
    expect(client.isOpen).to.equal(true);
  });

  it('a connection that is cut off from the registry must not outlive its token', async () => {
    const proxy = await RedisProxy.start(world.redis.port);
    try {
      const cut = await world.node({ REDIS_URL: proxy.url, TOKEN_GRACE_MS: '100' });
      const user = world.user();
      const exp = nowS() - 3;
      const client = await world.connect(cut, user, [], { token: endingAt(user, exp) });
      for (const link of proxy.links) link.hold('up');
      expect((await client.ended).code).to.equal(4101);
      expect(Date.now() - (exp + TOLERANCE_S) * 1000).to.be.within(0, 400);
    } finally {
      await proxy.stop();
    }
  });

  it('a connection that takes nothing any more must not outlive its token, nor the time to read the close', async () => {
    const patient = await world.node({
      MAX_BUFFERED_BYTES: '65536',
      RECOVERY_DELAY_MS: '30000',
      TOKEN_GRACE_MS: '100',
    });
    const user = world.user();
    const raw = await world.raw(patient, { token: token(user) });
    await raw.waitFor('connection_established');
    raw.socket.pause();
    const log = logOf(world.redis);
    const padding = 'x'.repeat(200_000);
    const status = async () => (await call(patient, `user/${user}`, { token: adminToken() })).body.status;
    while ((await status()) !== 'recovering') await log.append([storedEvent({ padding })]);
    // What came before it stopped reading is handled still.
    const exp = nowS() - 3;
    raw.send(JSON.stringify({ type: 'refresh_token', data: { token: endingAt(user, exp) } }));
    const redis = world.redis.client();
    await until(async () => (await world.entry(redis, user)).conn === '', { what: 'the entry is released' });
    expect(Date.now() - (exp + TOLERANCE_S) * 1000).to.be.within(0, 400);
    const { body } = await call(patient, 'stats', { token: adminToken() });
    expect(JSON.stringify(body)).to.include('"4101":1');
  });

  it('an end beyond the reach of the wheel, or of timers, must be waited for and not fire at once', async () => {
    const user = world.user();
    const forever = await world.connect(node, user, [], { token: endingAt(user, 253_402_300_799) });
    expect(forever.establishedData?.expires_at).to.equal('9999-12-31T23:59:59.000Z');
    const started = Date.now();
    await until(() => Date.now() > started + 500, { what: 'several turns of the wheel' });
    expect(forever.isOpen).to.equal(true);
    expect(notices(forever)).to.equal(0);
  });

  it('a token that lives shorter than the notice must be told at half its life, not the moment that it comes', async () => {
    const user = world.user();
    const client = await world.connect(node, user, [], { token: token(user, { lifetimeS: 2 }) });
    const reported = await client.waitFor('token_expiring');
    expect(Date.parse(String(reported.data.expires_at)) - Date.now()).to.be.within(500, 1000);
  });

  it('an issuer that hands out the same token again must not make the client refresh in a circle', async () => {
    const user = world.user();
    const same = endingAt(user, nowS() - 3);
    const client = world.dial(node, {
      token: same,
      onFrame: ({ type }) => {
        if (type === 'token_expiring') client.send('refresh_token', { token: same });
      },
    });
    expect((await client.ended).code).to.equal(4101);
    // One at connect, and then each time half-way to the end: from 2 s to a tick of the wheel.
    expect(notices(client)).to.be.within(2, 7);
  });
});
