import { expect } from 'chai';
import type { ClientOptions, TestClient } from '../../support/client.js';
import { adminToken, token } from '../../support/tokens.js';
import { until } from '../../support/wait.js';
import { call } from '../../unit/server/http/support.js';
import { type LocalNode, World } from '../support/world.js';

const BURST = 5;

// Seen red: without `forgery` in Upgrades.handle (forged), with it asked of every token (good, expired), with the address of the
// socket for that of the client (proxy), and with expired tokens counted (expired).
describe('tokens that somebody made up', function () {
  this.timeout(10_000);
  const world = new World();
  let node: LocalNode;
  let addresses = 0;

  before(async () => {
    await world.start();
    node = await world.node({ AUTH_FAILURE_RATE: '1', AUTH_FAILURE_BURST: String(BURST), TRUST_PROXY: '1' });
  });
  afterEach(() => world.endClients());
  after(() => world.stop());

  const address = (): string => {
    addresses += 1;
    return `192.0.2.${addresses}`;
  };
  const forged = (n = 0): string => token(`victim-${n}`, { roles: ['admin'], secret: `made-up-${'x'.repeat(40)}${n}` });
  const expired = (user: string): string => token(user, { nowS: 1_000_000_000 });
  const dialFrom = (ip: string, options: ClientOptions): TestClient =>
    world.dial(node, { ...options, headers: { 'X-Forwarded-For': ip } });

  /** Close codes and HTTP statuses of so many forged tokens, one after the other. */
  async function attack(ip: string, count: number): Promise<(number | null)[]> {
    const answers: (number | null)[] = [];
    for (let n = 0; n < count; n += 1) {
      const { code, status } = await dialFrom(ip, { token: forged(n) }).closed();
      answers.push(status ?? code);
    }
    return answers;
  }

  it('must not be answered in full for ever: from then on they are refused before the upgrade, with a time', async () => {
    const ip = address();
    const full = Array.from({ length: BURST }, () => 4100);
    // A token of the bucket may come back meanwhile.
    expect((await attack(ip, BURST + 5)).slice(0, BURST)).to.deep.equal(full);
    const refused = await until(
      async () => {
        const ending = await dialFrom(ip, { token: forged() }).closed();
        return ending.status !== null && ending;
      },
      { what: 'a refusal' },
    );
    expect(refused).to.include({ status: 429, retryAfterS: 1 });
    const { text } = await call(node, '/metrics');
    expect(text).to.match(/uws_upgrades_refused_total\{[^}]*reason="auth_failures"[^}]*\} [1-9]/);
    await until(async () => (await attack(ip, 1))[0] === 4100, { what: 'it is answered in full again', everyMs: 200 });
  });

  it('must not lock out who is behind the same address with a good token (the predecessor did, for 15 minutes)', async () => {
    const ip = address();
    await attack(ip, BURST + 1);
    let running = true;
    const attacking = (async () => {
      while (running) await attack(ip, 1);
    })();
    try {
      for (let n = 0; n < 20; n += 1) {
        const user = world.user();
        const good = token(user);
        const client = dialFrom(ip, n % 2 === 0 ? { token: good } : { protocols: ['unified.v1', `bearer.${good}`] });
        await client.established();
      }
      const late = dialFrom(ip, {});
      late.ws.once('open', () => late.send('authenticate', { token: token(world.user()) }));
      await late.established();
    } finally {
      running = false;
    }
    await attacking;
  });

  it('a token that has expired is no attempt: it is told what it is, costs nothing, and is told so during an attack too', async () => {
    const ip = address();
    for (let n = 0; n < 3 * BURST; n += 1) {
      expect((await dialFrom(ip, { token: expired(world.user()) }).closed()).code).to.equal(4101);
    }
    expect(await attack(ip, BURST)).to.deep.equal(Array.from({ length: BURST }, () => 4100));
    await attack(ip, 1);
    const client = dialFrom(ip, { token: expired(world.user()) });
    expect(await client.closed()).to.include({ code: 4101, status: null });
    expect(client.frames[0]?.data).to.include({ error_code: 'TOKEN_EXPIRED' });
  });

  it('those of one address behind the proxy must not count against another, nor against one that the client claims', async () => {
    const [ip, other] = [address(), address()];
    await attack(`${other}, ${ip}`, BURST + 1);
    expect(await attack(other, BURST)).to.deep.equal(Array.from({ length: BURST }, () => 4100));
    expect(await attack(`10.0.0.1, ${ip}`, 2)).to.include(429);
  });

  it('in a first message they must count too', async () => {
    const ip = address();
    for (let n = 0; n < BURST + 1; n += 1) {
      const client = dialFrom(ip, {});
      client.ws.once('open', () => client.send('authenticate', { token: forged(n) }));
      expect((await client.closed()).code).to.equal(4100);
    }
    expect(await attack(ip, 2)).to.include(429);
  });

  it('without a limit all of them are answered', async () => {
    const open = await world.node({ AUTH_FAILURE_RATE: '0', AUTH_FAILURE_BURST: '1' });
    for (let n = 0; n < 10; n += 1) {
      expect((await world.dial(open, { token: forged(n) }).closed()).code).to.equal(4100);
    }
    expect((await call(open, 'stats', { token: adminToken() })).status).to.equal(200);
  });
});
