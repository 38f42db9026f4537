import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { expect } from 'chai';
import type { TestClient } from '../../support/client.js';
import { OPCODE, type RawClient, type RawFrame } from '../../support/rawClient.js';
import { token } from '../../support/tokens.js';
import { until } from '../../support/wait.js';
import { logOf, storedEvent } from '../support/events.js';
import { type LocalNode, World } from '../support/world.js';

const RSV1 = 4;
const OFFER = { 'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits' };
const items = Array.from({ length: 40 }, (_, n) => ({ zone: `zone${n}.example.org`, ttl: 3600 + n, ok: true }));

/** As a client compresses a message that it sends. */
function deflated(text: string): Buffer {
  const flushed = deflateRawSync(text, { finishFlush: 2 });
  return flushed.subarray(0, flushed.length - 4);
}

/** Each message by itself: nothing is kept between two. */
function messageOf(frame: RawFrame): { type: string; data: Record<string, unknown>; id?: string } {
  const { rsv, payload } = frame;
  if (rsv === 0) return JSON.parse(payload.toString());
  const whole = Buffer.concat([payload, Buffer.from([0, 0, 0xff, 0xff])]);
  return JSON.parse(inflateRawSync(whole, { finishFlush: 2 }).toString());
}

describe('compression', function () {
  this.timeout(10_000);
  const world = new World();
  let node: LocalNode;

  before(async () => {
    await world.start();
    node = await world.node();
  });
  afterEach(() => world.endClients());
  after(() => world.stop());

  const append = (...events: ReturnType<typeof storedEvent>[]) => logOf(world.redis).append(events);
  const events = (raw: RawClient): RawFrame[] =>
    raw.frames.filter((frame) => frame.opcode === OPCODE.TEXT && messageOf(frame).type === 'custom_event');

  async function raw(headers: Record<string, string>, user = world.user()): Promise<RawClient> {
    const client = await world.raw(node, { token: token(user), headers });
    await until(() => client.frames.length > 0, { what: 'connection_established' });
    return client;
  }

  async function set(client: RawClient, compress_data: boolean): Promise<void> {
    const count = client.frames.length;
    client.send(JSON.stringify({ type: 'set_message_preferences', data: { preferences: { compress_data } } }));
    await until(() => client.frames.length > count, { what: 'the reply' });
    expect(messageOf(client.frames.at(-1) as RawFrame).type).to.equal('message_preferences_updated');
  }

  it('must wait for the preference, be on from its reply, and off from the next', async () => {
    const client = await raw(OFFER);
    expect(client.head).to.match(/sec-websocket-extensions: permessage-deflate;.*server_no_context_takeover/i);
    // ws answers 400 to browsers that offer no numbers when it is given one.
    expect(client.head).to.not.match(/window_bits/i);
    const received = async (n: number): Promise<RawFrame> => {
      const before = events(client).length;
      await append(storedEvent({ n, items }));
      await until(() => events(client).length > before, { what: `event ${n}` });
      const frame = events(client).at(-1) as RawFrame;
      expect(messageOf(frame).data).to.deep.equal({ n, items });
      return frame;
    };
    expect((await received(1)).rsv).to.equal(0);
    await set(client, true);
    const small = await received(2);
    expect(small.rsv).to.equal(RSV1);
    expect(small.payload.length).to.be.below(JSON.stringify(items).length / 3);
    await set(client, false);
    expect((await received(3)).rsv).to.equal(0);
    // Nothing but events is compressed.
    for (const frame of client.frames) if (!events(client).includes(frame)) expect(frame.rsv).to.equal(0);
  });

  it('must not come to who did not negotiate it, or asked for a smaller window, whatever the preference', async () => {
    for (const headers of [{}, { 'Sec-WebSocket-Extensions': 'permessage-deflate; server_max_window_bits=9' }]) {
      const client = await raw(headers as Record<string, string>);
      await set(client, true);
      await append(storedEvent({ items }));
      await until(() => events(client).length === 1, { what: 'the event' });
      expect(events(client)[0]?.rsv).to.equal(0);
    }
  });

  it('a client of the ws library must read a mix of compressed and plain messages, small and large, in order', async () => {
    const user = world.user();
    const connect = () => world.connect(node, user, ['user'], { deflate: true });
    const first = await connect();
    await first.ask('set_message_preferences', { preferences: { compress_data: true } }, 'message_preferences_updated');
    const plain = await world.connect(node);
    const check = async (client: TestClient, round: string): Promise<void> => {
      const sent = Array.from({ length: 60 }, (_, n) => ({
        n,
        round,
        items: items.slice(0, n % 41),
        text: 'x'.repeat(n % 10 === 0 ? 80_000 : n),
      }));
      await append(...sent.slice(0, 30).map((data) => storedEvent(data)));
      await append(...sent.slice(30).map((data) => storedEvent(data)));
      const got = (one: TestClient) => one.events.map(({ data }) => data).filter((data) => data.round === round);
      await until(() => got(client).length === 60 && got(plain).length === 60, { what: 'all events' });
      expect(got(client)).to.deep.equal(sent);
      expect(got(plain)).to.deep.equal(sent);
    };
    await check(first, 'first');
    await first.close();
    // In force from connection_established on, for what is replayed too.
    await check(await connect(), 'second');
    // A batch of its own for each event is the single path.
    const third = await connect();
    await third.ask(
      'set_message_preferences',
      { preferences: { batch_messages: false } },
      'message_preferences_updated',
    );
    await check(third, 'third');
    const metrics = await (await fetch(`${node.http}/metrics`)).text();
    const bytes = (side: string) =>
      Number(new RegExp(`^uws_compression_bytes_total\\{side="${side}"\\} (\\d+)$`, 'm').exec(metrics)?.[1]);
    expect(bytes('out')).to.be.within(1, bytes('in') / 2);
  });

  it('ephemeral events are compressed like all others', async () => {
    const client = await raw(OFFER);
    await set(client, true);
    const event = storedEvent({ items });
    await world.redis.client().publish('uws:ev', JSON.stringify({ ephemeral: [event] }));
    await until(() => events(client).length === 1, { what: 'the event' });
    expect(events(client)[0]?.rsv).to.equal(RSV1);
  });

  it('a message that inflates to more than MAX_PAYLOAD must end the connection before it is inflated', async () => {
    const client = await raw(OFFER);
    const bomb = deflated(' '.repeat(50_000_000));
    const before = process.memoryUsage().rss;
    expect(bomb.length).to.be.below(65_536);
    client.send(bomb, { rsv: RSV1 });
    expect(await client.closed()).to.equal(1009);
    expect(process.memoryUsage().rss - before).to.be.below(40_000_000);
    const other = await raw(OFFER);
    other.send(deflated(JSON.stringify({ type: 'ping', data: {} })), { rsv: RSV1 });
    await until(() => other.frames.some((frame) => messageOf(frame).type === 'pong'), { what: 'pong' });
  });

  it('COMPRESSION=off negotiates none, and a compressed message is then a fault of the peer', async () => {
    const off = await world.node({ NODE_ID: 'off', COMPRESSION: 'off' });
    const client = await world.raw(off, { token: token(world.user()), headers: OFFER });
    expect(client.head).to.not.match(/permessage-deflate/i);
    client.send(deflated('{"type":"ping"}'), { rsv: RSV1 });
    expect(await client.closed()).to.equal(1002);
  });
});
