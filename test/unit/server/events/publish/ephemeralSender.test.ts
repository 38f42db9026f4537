import type { EventTypeDefinition, PublishRequest } from '@unified-ws/protocol';
import { conflationKey, EphemeralSender, parseEphemeral } from '@unified-ws/server/events/publish/ephemeralSender';
import { Keys } from '@unified-ws/server/redis/keys';
import { systemClock } from '@unified-ws/server/util/clock';
import { expect } from 'chai';
import { Redis } from 'ioredis';
import { type RedisServer, startRedis } from '../../../../support/redis.js';
import { type ProxyLink, RedisProxy } from '../../../../support/redisProxy.js';
import { until } from '../../../../support/wait.js';
import { storedEvent } from '../support.js';

/** It carries the cluster time when it was sent. */
function withoutTime({ time, ...message }: { time: number; [field: string]: unknown }): Record<string, unknown> {
  expect(time).to.be.closeTo(Date.now(), 60_000);
  return message;
}

describe('sending ephemeral events', () => {
  let server: RedisServer;
  let redis: Redis;
  let listener: Redis;
  let heard: { channel: string; text: string }[] = [];
  const keys = new Keys('uws');

  before(async () => {
    server = await startRedis();
    redis = server.client();
    listener = server.client();
    await listener.psubscribe('uws:*');
    listener.on('pmessage', (_pattern: string, channel: string, text: string) => heard.push({ channel, text }));
  });
  beforeEach(() => {
    heard = [];
  });
  after(() => server.stop());

  const make = (): EphemeralSender => new EphemeralSender({ redis, keys, clock: systemClock });
  const broadcast = (n: number) => ({ event: storedEvent(`e${n}`, { n }), users: null });

  it('those of one turn share a message, and so do those that come while one is under way', async () => {
    const sender = make();
    await Promise.all(Array.from({ length: 100 }, (_, n) => sender.send(broadcast(n))));
    expect(sender.counts).to.include({ published: 100, messages: 1 });
    await until(() => heard.length === 1, { what: 'the message' });
    const events = parseEphemeral(heard[0]?.text ?? '');
    expect(events?.map(({ data }) => data.n)).to.deep.equal(Array.from({ length: 100 }, (_, n) => n));
    const proxy = await RedisProxy.start(server.port);
    let link: ProxyLink | undefined;
    proxy.onLink = (one) => {
      link = one;
    };
    const slow = new Redis(proxy.url);
    try {
      await slow.ping();
      const late = new EphemeralSender({ redis: slow, keys, clock: systemClock });
      link?.hold('up');
      const sent: Promise<void>[] = [];
      for (let n = 0; n < 50; n += 1) {
        sent.push(late.send(broadcast(n)));
        await new Promise(setImmediate);
      }
      expect(late.counts.messages).to.equal(1);
      link?.release();
      await Promise.all(sent);
      expect(late.counts.messages).to.equal(2);
    } finally {
      slow.disconnect();
      await proxy.stop();
    }
  });

  it('a message on the bus stays bounded, whatever is published in one turn', async () => {
    const sender = make();
    const big = { event: storedEvent('big', { text: 'x'.repeat(200_000) }), users: null };
    await Promise.all(Array.from({ length: 12 }, () => sender.send(big)));
    await until(() => heard.length === sender.counts.messages, { what: 'all messages' });
    for (const { text } of heard) expect(text.length).to.be.below(1024 * 1024 + 100);
    expect(sender.counts.messages).to.equal(3);
  });

  it('targets of one node share a message with one copy of the event, and who is not connected is counted', async () => {
    const sender = make();
    await redis.hset(keys.conn('ann'), { conn: 'c1', lease: 'a.1' });
    await redis.hset(keys.conn('ben'), { conn: 'c2', lease: 'a.1' });
    await redis.hset(keys.conn('eve'), { conn: 'c3', lease: 'b.1' });
    // Released: its entry stays for an hour.
    await redis.hset(keys.conn('gone'), { conn: '', lease: 'b.1' });
    await sender.send({ event: storedEvent('e1'), users: ['ann', 'eve', 'ben', 'ann', 'gone', 'nobody'] });
    await until(() => heard.length === 2, { what: 'both messages' });
    const reported = new Map(heard.map(({ channel, text }) => [channel, withoutTime(JSON.parse(text))]));
    expect(reported.get('uws:n:a.1')).to.deep.equal({
      t: 'ephemeral',
      events: [{ users: ['ann', 'ben'], event: storedEvent('e1') }],
    });
    expect(reported.get('uws:n:b.1')).to.have.nested.property('events[0].users').that.deep.equals(['eve']);
    expect(sender.counts).to.include({ absent: 2, messages: 2 });
  });

  it('a batch of the log must not be taken for ephemeral events, whatever it holds', () => {
    expect(parseEphemeral('{"epoch":"{\\"ephemeral\\":[","first":1,"prev_tag":"","events":[]}')).to.equal(null);
    expect(parseEphemeral('{"ephemeral":[]}')).to.deep.equal([]);
  });
});

describe('the conflation key', () => {
  const definition: EventTypeDefinition = {
    category: 'c',
    priority: 'normal',
    severity: 'info',
    permission: 'events:receive',
    conflation_key: 'disk/a',
  };
  const keyOf = (data: Record<string, unknown>, conflation_key?: string) =>
    conflationKey({ event_type: 't', data, ...(conflation_key && { conflation_key }) } as PublishRequest, definition);

  it('is the publisher’s, else the value of the field that the catalogue names', () => {
    expect(keyOf({ 'disk/a': 'sda' }, 'mine')).to.equal('mine');
    expect(keyOf({ 'disk/a': 'sda' })).to.equal('sda');
    expect(keyOf({ 'disk/a': 7 })).to.equal('7');
    expect(keyOf({})).to.equal(undefined);
    expect(keyOf({ 'disk/a': null })).to.equal(undefined);
  });

  it('that is no key must be told with its place: a list as a key would conflate what has nothing in common', () => {
    for (const value of [['a'], {}, true, '', 'x'.repeat(129)]) {
      expect(keyOf({ 'disk/a': value }), JSON.stringify(value)).to.have.property('path', '/data/disk~1a');
    }
  });
});
