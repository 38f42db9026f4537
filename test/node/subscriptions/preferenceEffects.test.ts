import { Socket } from 'node:net';
import { PRIORITIES, type PreferenceChanges } from '@unified-ws/protocol';
import { expect } from 'chai';
import type { Received, TestClient } from '../../support/client.js';
import { until } from '../../support/wait.js';
import { logOf, storedEvent } from '../support/events.js';
import { PairWorld } from '../support/pairWorld.js';
import { expectMessage } from '../support/schemas.js';

const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n);
const numbers = (client: TestClient): unknown[] =>
  client.events.filter(({ data }) => 'n' in data).map(({ data }) => data.n);

/** Counts what this process writes to the peer of a connection: the nodes of a world live in it. */
class Writes {
  count = 0;
  private readonly original: typeof Socket.prototype.write;

  constructor(client: TestClient) {
    const { localPort } = (client.ws as unknown as { _socket: Socket })._socket;
    const { write } = Socket.prototype;
    this.original = write;
    const self = this;
    Socket.prototype.write = function (this: Socket, ...args: unknown[]) {
      if (this.remotePort === localPort) self.count += 1;
      return Reflect.apply(write, this, args) as boolean;
    } as typeof write;
  }

  stop(): void {
    Socket.prototype.write = this.original;
  }
}

// Each preference as the client sees it. Seen to fail with the effect taken out of `individualDelivery`, `deliveredTypes` or `passes`.
describe('the effect of a preference', function () {
  this.timeout(15_000);
  const world = PairWorld.make();

  const prefer = async (client: TestClient, preferences: PreferenceChanges): Promise<void> => {
    expectMessage(await client.request('set_message_preferences', { preferences }), 'message_preferences_updated');
  };
  /** One append is one batch on the bus, and one flush. */
  const append = (...events: ReturnType<typeof storedEvent>[]) => logOf(world.redis).append(events);
  const ephemeral = (...events: ReturnType<typeof storedEvent>[]) =>
    world.redis.client().publish('uws:ev', JSON.stringify({ ephemeral: events }));
  const limited = (client: TestClient): Received[] => client.frames.filter(({ type }) => type === 'rate_limited');
  const dropped = (client: TestClient): number =>
    limited(client).reduce((sum, { data }) => sum + Number(data.dropped), 0);

  async function metric(name: string): Promise<number> {
    const text = await (await fetch(`${world.one.http}/metrics`)).text();
    return Number(
      text
        .split('\n')
        .find((row) => row.startsWith(`${name} `))
        ?.split(' ')
        .at(-1),
    );
  }

  it('batch_messages false: one write per event, where a flush is one write otherwise', async () => {
    const client = await world.connect(world.one);
    const count = async (): Promise<number> => {
      const writes = new Writes(client);
      try {
        const before = client.events.length;
        await append(...upTo(7).map((n) => storedEvent({ n })));
        await until(() => client.events.length === before + 7, { what: 'the events' });
      } finally {
        writes.stop();
      }
      return writes.count;
    };
    expect(await count()).to.equal(1);
    await prefer(client, { batch_messages: false });
    expect(await count()).to.equal(7);
    await prefer(client, { batch_messages: true });
    expect(await count()).to.equal(1);
    expect(numbers(client)).to.deep.equal([...upTo(7), ...upTo(7), ...upTo(7)]);
  });

  it('priority_filter: what is below it does not come, durable or ephemeral, after a reconnect too', async () => {
    const user = world.user();
    const events = () => PRIORITIES.map((priority) => storedEvent({ n: priority }, { priority }));
    const first = await world.connect(world.one, user);
    await prefer(first, { priority_filter: 'high' });
    const check = async (client: TestClient): Promise<void> => {
      const before = numbers(client).length;
      await append(...events());
      await until(() => numbers(client).length >= before + 3, { what: 'durable events' });
      await ephemeral(...events());
      await until(() => numbers(client).length >= before + 6, { what: 'ephemeral events' });
      expect(numbers(client).slice(before)).to.deep.equal(['high', 'critical', 'urgent', 'high', 'critical', 'urgent']);
    };
    await check(first);
    await first.close();
    const again = await world.connect(world.two, user);
    await check(again);
    await prefer(again, { priority_filter: 'low' });
    const before = numbers(again).length;
    await append(...events());
    await until(() => numbers(again).length === before + 5, { what: 'all of them' });
  });

  it('max_message_rate: durable events come late and complete, in order, and the client is told', async () => {
    const client = await world.connect(world.one);
    const free = await world.connect(world.one);
    await prefer(client, { max_message_rate: 40 });
    const started = performance.now();
    await append(...upTo(30).map((n) => storedEvent({ n })));
    await until(() => numbers(free).length === 30, { what: 'the one without a limit' });
    expect(numbers(client).length, 'while the other has them all').to.be.below(10);
    await until(() => numbers(client).length === 30, { what: 'the limited one' });
    // 4 at once, then 40 a second.
    expect(performance.now() - started).to.be.at.least(600);
    expect(numbers(client)).to.deep.equal(upTo(30));
    const [notice] = limited(client);
    if (!notice) throw new Error('no rate_limited');
    expectMessage(notice, 'rate_limited');
    expect(notice.data.dropped).to.equal(0);
    expect(notice.data.retry_after_ms).to.be.within(1, 25);
    expect(limited(client).length, 'once a second').to.be.at.most(2);
    expect(limited(free)).to.deep.equal([]);
  });

  it('max_message_rate: a lifted limit must not hold back what waits', async () => {
    const client = await world.connect(world.one);
    await prefer(client, { max_message_rate: 1 });
    await append(...upTo(20).map((n) => storedEvent({ n })));
    await client.waitFor('rate_limited');
    await prefer(client, { max_message_rate: 0 });
    await until(() => numbers(client).length === 20, { what: 'all of them', timeoutMs: 3000 });
    expect(numbers(client)).to.deep.equal(upTo(20));
  });

  it('max_message_rate: of ephemeral events the latest of each key comes when it may, the others are counted', async () => {
    const client = await world.connect(world.one);
    const free = await world.connect(world.one);
    await prefer(client, { max_message_rate: 2 });
    const keyed = (n: number, key: string) => storedEvent({ n }, { conflation_key: key });
    for (const n of upTo(6)) {
      await ephemeral(keyed(n, 'a'));
      await until(() => numbers(free).includes(n), { what: 'the one without a limit' });
    }
    await ephemeral(storedEvent({ n: 'no key' }), keyed(99, 'b'));
    await until(() => numbers(client).includes(99), { what: 'the latest of the last key' });
    expect(numbers(client)).to.deep.equal([0, 5, 99]);
    await until(() => dropped(client) === 5, { what: 'the count of what was dropped' });
    const at = limited(client).map((frame) => frame.at);
    for (const [index, time] of at.entries()) if (index > 0) expect(time - (at[index - 1] ?? 0)).to.be.at.least(950);
  });

  it('max_message_rate must hold for targeted ephemeral events too', async () => {
    const user = world.user();
    const client = await world.connect(world.one, user);
    const admin = await world.admin(world.two);
    await prefer(client, { max_message_rate: 1 });
    for (const n of upTo(5)) {
      const event = { event_type: 'custom_event', delivery: 'ephemeral', data: { n }, target_user_ids: [user] };
      await admin.ask('publish_event', { ...event, conflation_key: 'k' }, 'event_accepted');
    }
    await until(() => numbers(client).includes(4), { what: 'the latest' });
    expect(numbers(client)).to.deep.equal([0, 4]);
  });

  it('a client that does not read gets the latest ephemeral values when it does, and costs no memory meanwhile', async () => {
    const user = world.user();
    const slow = await world.connect(world.one, user);
    const fast = await world.connect(world.one);
    const before = await metric('uws_ephemeral_withheld_total');
    const { _socket: socket } = slow.ws as unknown as { _socket: Socket };
    socket.pause();
    const padding = 'x'.repeat(100_000);
    const count = 201;
    for (const n of upTo(count)) {
      await ephemeral(storedEvent({ n, padding }, { conflation_key: `k${n % 3}` }), storedEvent({ n: -n }));
      await until(() => numbers(fast).includes(-n), { what: 'the one that reads' });
    }
    expect(await metric('uws_connections_congested')).to.equal(1);
    expect(await metric('uws_socket_buffered_bytes'), 'of 20 MB').to.be.below(400_000);
    socket.resume();
    await slow.waitFor('rate_limited');
    const got = numbers(slow) as number[];
    // The kernel took the first ones; then the latest of each key, and nothing between.
    const last = got.slice(-3);
    expect(last).to.deep.equal([count - 3, count - 2, count - 1]);
    expect(dropped(slow)).to.equal(2 * count - got.length);
    await ephemeral(storedEvent({ n: 'next' }));
    await until(() => numbers(slow).at(-1) === 'next', { what: 'the next event' });
    expect(await metric('uws_ephemeral_withheld_total')).to.equal(before + dropped(slow));
  });
});
