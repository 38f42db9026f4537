import { expect } from 'chai';
import type { TestClient } from '../../support/client.js';
import { OPCODE, type RawClient } from '../../support/rawClient.js';
import { token } from '../../support/tokens.js';
import { until } from '../../support/wait.js';
import { type LocalNode, World } from '../support/world.js';

describe('a second connection of a user, where it does not replace the first', function () {
  this.timeout(20_000);
  const world = new World();
  let node: LocalNode;
  let other: LocalNode;

  before(async () => {
    await world.start();
    const env = { CONNECTION_POLICY: 'reject', COMMAND_TIMEOUT_MS: '2000', PING_TIMEOUT_MS: '2500' };
    node = await world.node({ ...env, NODE_ID: 'one' });
    other = await world.node({ ...env, NODE_ID: 'two' });
  });
  afterEach(() => world.endClients());
  after(() => world.stop());

  /** A first connection whose peer has vanished: it answers nothing, and TCP does not tell. */
  async function vanished(user: string): Promise<RawClient> {
    const client = await world.raw(node, { token: token(user) });
    await client.waitFor('connection_established');
    return client;
  }

  const second = (from: LocalNode, user: string): TestClient => world.dial(from, { token: token(user) });

  // Seen red: it was closed with 4010, "stay away", until the pings of the vanished one ran out.
  it('must not be sent away for good by a peer that has vanished, and must get in when that is known', async () => {
    for (const from of [node, other]) {
      const user = world.user();
      const first = await vanished(user);
      const newcomer = second(from, user);
      const { code, reason } = await newcomer.closed();
      expect({ code, reason }).to.deep.equal({ code: 4203, reason: 'reconnect_after_ms=2000' });
      const [error] = newcomer.frames;
      expect(error?.data).to.deep.include({ error_code: 'CONNECTION_LIMIT', details: { retry_after_ms: 2000 } });
      // It was pinged at once, so its time runs from then on, and not from when its next ping would be due.
      await first.gone();
      await until(async () => (await world.entry(world.redis.client(), user)).conn === '', {
        what: 'its entry is free',
      });
      await world.connect(from, user);
    }
  });

  it('must be refused for good by one that lives, idle or not, on whatever node', async () => {
    const user = world.user();
    const first = await world.connect(node, user);
    const attempts = await Promise.all([node, other, other].map((from) => second(from, user).closed()));
    expect(attempts.map(({ code }) => code)).to.deep.equal([4010, 4010, 4010]);
    // One right after the other. Seen red: the pong of the first ping was taken for one that is still awaited, and no second was asked for.
    for (const from of [node, other, node]) expect((await second(from, user).closed()).code).to.equal(4010);
    expect((await first.request('ping')).type).to.equal('pong');
  });

  // Seen red with the answer to an earlier question taken for one to this: the ping stays noted until its time is over.
  it('must not be sent away for good by one that has answered before, and vanished since', async () => {
    const user = world.user();
    const first = await vanished(user);
    const early = second(other, user);
    const ping = await until(() => first.frames.find(({ opcode }) => opcode === OPCODE.PING), { what: 'a ping' });
    first.send(ping.payload, { opcode: OPCODE.PONG });
    expect((await early.closed()).code).to.equal(4010);
    expect((await second(other, user).closed()).code).to.equal(4203);
  });

  it('must come back where nobody answers for the first one: its node hangs, or cannot be asked yet', async () => {
    const user = world.user();
    const facts = JSON.stringify({ username: 'Old', roles: ['user'], ip: '192.0.2.1', since: '2026-01-01T00:00:00Z' });
    await world.redis.client().hset(`uws:{u:${user}}:conn`, {
      conn: 'c-old',
      fence: '1000',
      lease: 'old.abc',
      client: '',
      attempt: '0',
      facts,
    });
    expect((await second(node, user).closed()).code).to.equal(4203);
  });

  it('must not make a ping of each of many, which would count against the one that is there', async () => {
    const user = world.user();
    const first = await vanished(user);
    const before = first.frames.length;
    const attempts = await Promise.all(Array.from({ length: 10 }, () => second(other, user).closed()));
    expect(attempts.map(({ code }) => code)).to.deep.equal(Array.from({ length: 10 }, () => 4203));
    const pings = first.frames.slice(before).filter(({ opcode }) => opcode === 9);
    expect(pings).to.have.length(1);
  });
});
