import { formatResume, parsePosition } from '@unified-ws/protocol';
import { expect } from 'chai';
import type { Redis } from 'ioredis';
import { until } from '../../support/wait.js';
import { storedEvent } from '../support/events.js';
import { gapsOf, mailNumbers, mailOf, upTo } from '../support/mail.js';
import { PairWorld } from '../support/pairWorld.js';

const events = (count: number, from = 0) => upTo(count, from).map((n) => storedEvent({ n }));
const last = (n: number) => (frame: { data: Record<string, unknown> }) => frame.data.n === n;
const resumeUser = (position: unknown): string => formatResume(null, String(position));

const ENV = { HEARTBEAT_INTERVAL_MS: '200', SWEEP_INTERVAL_MS: '1000' };

describe('mailboxes that are lost, or cut off from those whom they are for', function () {
  this.timeout(15_000);
  const world = PairWorld.make(ENV);
  let redis: Redis;

  before(() => {
    redis = world.redis.client();
  });

  it('a subscription that breaks under load must lose nothing, repeat nothing and keep the order', async () => {
    const user = world.user();
    const client = await world.connect(world.one, user);
    const mail = mailOf(world.redis, { size: 1000 });
    for (let n = 0; n < 400; n += 1) {
      await mail.append(user, events(1, n));
      if (n % 150 === 75) await redis.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    }
    await client.waitFor('custom_event', last(399));
    expect(mailNumbers(client)).to.deep.equal(upTo(400));
    expect(gapsOf(client)).to.deep.equal([]);
  });

  it('a connection that is claimed again must go on from its own position, without a gap', async () => {
    const user = world.user();
    const client = await world.connect(world.one, user);
    const [heard, lost] = [mailOf(world.redis), mailOf(world.redis, { bus: 'lost' })];
    await heard.append(user, events(2));
    await client.waitFor('custom_event', last(1));
    // Nobody owns the user now: what is appended is told to nobody, until the sweep claims again.
    await redis.del(`uws:{u:${user}}:conn`);
    await lost.append(user, events(2, 2));
    await until(async () => (await world.entry(redis, user)).conn === client.establishedData?.connection_id, {
      what: 'claimed again',
    });
    await heard.append(user, events(1, 4));
    await client.waitFor('custom_event', last(4));
    expect(mailNumbers(client)).to.deep.equal(upTo(5));
    expect(gapsOf(client).filter(({ scope }) => scope === 'user')).to.deep.equal([]);
  });

  it('a mailbox that went back under the same epoch must be announced, and nothing published later be missed (L1)', async () => {
    const user = world.user();
    const client = await world.connect(world.one, user);
    const mail = mailOf(world.redis);
    await mail.append(user, events(4));
    await client.waitFor('custom_event', last(3));
    const key = `uws:{u:${user}}`;
    const { tag, offset } = parsePosition(String(client.events[1]?.position)) ?? { tag: '', offset: 0 };
    // As after a fail-over to a replica that lagged by two events: their offsets are given to others.
    const kept = await redis.xrange(`${key}:box`, '-', `${offset}-0`);
    await redis.del(`${key}:box`);
    for (const [id, fields] of kept) await redis.xadd(`${key}:box`, id, ...fields);
    await redis.hset(`${key}:boxmeta`, { offset: String(offset), tag });
    await mail.append(user, events(2, 10));
    await client.waitFor('custom_event', last(11));
    expect(gapsOf(client)).to.have.length(1);
    expect(gapsOf(client)[0]).to.include({
      scope: 'user',
      reason: 'log_reset',
      from: client.events[3]?.position,
    });
    expect(mailNumbers(client).slice(4), 'all that is not acknowledged').to.deep.equal([0, 1, 10, 11]);
    await mail.append(user, events(1, 12));
    await client.waitFor('custom_event', last(12));
  });

  it('a Redis that lost everything must be announced, and what comes then be delivered', async () => {
    const user = world.user();
    const client = await world.connect(world.two, user);
    const mail = mailOf(world.redis);
    await mail.append(user, events(3));
    const before = await client.waitFor('custom_event', last(2));
    await redis.flushall();
    await until(async () => (await world.entry(redis, user)).conn === client.establishedData?.connection_id, {
      what: 'claimed again',
    });
    await mail.append(user, events(2, 3));
    await client.waitFor('custom_event', last(4));
    expect(mailNumbers(client)).to.deep.equal(upTo(5));
    const gaps = gapsOf(client).filter(({ scope }) => scope === 'user');
    expect(gaps).to.have.length(1);
    expect(gaps[0]).to.include({ reason: 'log_reset', from: before.position });
    await client.close();
    const again = await world.connect(world.one, user, ['user'], { resume: resumeUser(before.position) });
    expect(again.establishedData?.resume.user).to.equal('none');
  });
});
