import { Keys } from '@unified-ws/server/redis/keys';
import { expect } from 'chai';
import type { Redis } from 'ioredis';
import { RedisProxy } from '../../support/redisProxy.js';
import { token } from '../../support/tokens.js';
import { until } from '../../support/wait.js';
import { storedEvent } from '../support/events.js';
import { gapsOf, mailNumbers, mailOf, upTo } from '../support/mail.js';
import { type LocalNode, World } from '../support/world.js';

const events = (count: number, from = 0) => upTo(count, from).map((n) => storedEvent({ n }));
const last = (n: number) => (frame: { data: Record<string, unknown> }) => frame.data.n === n;
const keys = new Keys('uws');

describe('mailboxes under faults', function () {
  this.timeout(20_000);
  const world = new World();
  let far: LocalNode;
  let near: LocalNode;
  let proxy: RedisProxy;
  let redis: Redis;

  before(async () => {
    await world.start();
    redis = world.redis.client();
    proxy = await RedisProxy.start(world.redis.port);
    const env = { SWEEP_INTERVAL_MS: '600000', MAILBOX_SIZE: '1000', MAILBOX_BYTES: String(64 * 1024 * 1024) };
    near = await world.node({ NODE_ID: 'near', ...env });
    far = await world.node({ NODE_ID: 'far', REDIS_URL: proxy.url, ...env });
  });
  // The sweep looks at one connection a second at least: these keep it busy, so that it finds nothing while a test runs.
  beforeEach(() => Promise.all(upTo(25).map(() => world.connect(far))));
  afterEach(async () => {
    proxy.heal();
    await world.endClients();
    await until(async () => (await far.readiness()) === 200, { timeoutMs: 10_000, what: 'the far node serves again' });
  });
  after(async () => {
    await world.stop();
    await proxy.stop();
  });

  // Fails when `UserScope.claimed` forgets what was heard before it, and when `hear` leaves out a connection that is claiming.
  for (const [what, waiting] of [
    ['of a user with a mailbox that is read up to its head', 2],
    ['of a user without one', 0],
  ] as const) {
    it(`a live message that overtakes the answer of the claim, ${what}, must not be lost (L3)`, async () => {
      const user = world.user();
      const mail = mailOf(world.redis);
      if (waiting > 0) {
        await mail.append(user, events(waiting));
        const first = await world.connect(near, user);
        const { position } = await first.waitFor('custom_event', last(waiting - 1));
        first.send('ack', { user: position });
        await until(async () => (await mail.read(user, 1, 1))?.acked === waiting, { what: 'acknowledged' });
        await first.close();
      }
      for (const link of proxy.commands) link.hold('down');
      const client = world.dial(far, { token: token(user) });
      const { lease = '' } = await until(
        async () => {
          const entry = await world.entry(redis, user);
          return entry.lease?.startsWith('far.') && entry;
        },
        { what: 'the claim ran' },
      );
      const ear = world.redis.client();
      let heard = 0;
      ear.on('message', (_channel: string, text: string) => {
        if (text.includes('"t":"user"')) heard += 1;
      });
      await ear.subscribe(keys.nodeChannel(lease));
      await mail.append(user, events(1, waiting));
      await mail.append(user, events(1, waiting + 1));
      // Redis wrote them to the node before it wrote them here, and on the way to the node is only this process.
      await until(() => heard === 2, { what: 'the messages' });
      expect(client.establishedData).to.equal(null);
      proxy.heal();
      await client.waitFor('custom_event', last(waiting + 1));
      expect(mailNumbers(client)).to.deep.equal(upTo(2, waiting));
      expect(gapsOf(client)).to.deep.equal([]);
      await mail.append(user, events(1, waiting + 2));
      await client.waitFor('custom_event', last(waiting + 2));
      expect(mailNumbers(client)).to.deep.equal(upTo(3, waiting));
    });
  }

  // Fails when reconcile does not hand the heads on: nothing else looks at a mailbox then.
  it('a last message that was lost while the bus was cut must be found with the reconnect, without a later one (L4)', async () => {
    const user = world.user();
    const client = await world.connect(far, user);
    const mail = mailOf(world.redis);
    await mail.append(user, events(1));
    await client.waitFor('custom_event', last(0));
    const bus = proxy.subscriber;
    bus.hold('down');
    await mail.append(user, events(3, 1));
    bus.destroy();
    await client.waitFor('custom_event', last(3));
    expect(mailNumbers(client)).to.deep.equal(upTo(4));
    expect(gapsOf(client)).to.deep.equal([]);
  });

  it('a hole that is found while Redis is out of reach must not be filled for a connection that is replaced by then (C6)', async () => {
    const user = world.user();
    const old = await world.connect(far, user);
    await mailOf(world.redis).append(user, events(1));
    await old.waitFor('custom_event');
    await mailOf(world.redis, { bus: 'lost' }).append(user, events(1, 1));
    // A hole: the far node asks for the mailbox, and the answer is late.
    for (const link of proxy.commands) link.hold('down');
    await mailOf(world.redis).append(user, events(1, 2));
    proxy.subscriber.hold('down');
    const newer = world.dial(near, { token: token(user) });
    await newer.established(12_000);
    proxy.heal();
    expect(await old.closed()).to.include({ code: 4001 });
    await newer.waitFor('custom_event', last(2));
    expect(mailNumbers(newer)).to.deep.equal([0, 1, 2]);
    expect(mailNumbers(old)).to.deep.equal([0]);
  });

  // Fails when `deliver` does not look at the socket: a page of the mailbox is 10 MB here.
  it('a peer that stops reading must cost no memory, and get everything once, in order, when it reads again', async () => {
    const user = world.user();
    const slow = await world.raw(near, { token: token(user) });
    await slow.waitFor('connection_established');
    slow.socket.pause();
    const mail = mailOf(world.redis, { size: 1000, bytes: 64 * 1024 * 1024 });
    const text = 'x'.repeat(200 * 1024);
    const buffered = async (): Promise<number> => {
      const metrics = await (await fetch(`${near.http}/metrics`)).text();
      return Number(/^uws_socket_buffered_bytes (\d+)/m.exec(metrics)?.[1]);
    };
    const lost = mailOf(world.redis, { bus: 'lost', size: 1000, bytes: 64 * 1024 * 1024 });
    let most = 0;
    for (let n = 0; n < 100; n += 1) {
      await (n < 60 ? lost : mail).append(user, [storedEvent({ n, text })]);
      if (n >= 60 && n % 5 === 0) most = Math.max(most, await buffered());
    }
    most = Math.max(most, await until(buffered, { what: 'the socket is full' }));
    expect(most).to.be.within(1, 1024 * 1024);
    slow.socket.resume();
    await until(() => slow.frames.length > 100, { timeoutMs: 10_000, what: 'all events' });
    await mail.append(user, [storedEvent({ n: 100 })]);
    await until(() => slow.messages.at(-1)?.data.n === 100, { timeoutMs: 10_000, what: 'the last one' });
    const got = slow.messages.filter(({ type }) => type === 'custom_event').map(({ data }) => data.n);
    expect(got).to.deep.equal(upTo(101));
    expect(slow.messages.filter(({ type }) => type === 'gap')).to.deep.equal([]);
  });
});
