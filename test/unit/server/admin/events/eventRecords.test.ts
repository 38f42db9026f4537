import type { ListEventsRequest, ListedEvent, PublishRequest } from '@unified-ws/protocol';
import { EventRecords } from '@unified-ws/server/admin/events/eventRecords';
import type { Viewer } from '@unified-ws/server/admin/events/payloadFor';
import { loadCatalogue } from '@unified-ws/server/events/catalogue/eventCatalogue';
import { EventStatuses } from '@unified-ws/server/events/publish/eventStatuses';
import { Queue } from 'bullmq';
import { expect } from 'chai';
import { type RedisServer, startRedis } from '../../../../support/redis.js';
import { type EventNode, SERVICE, startEventNode, storedEvent, until } from '../../events/support.js';

const catalogue = loadCatalogue();
const viewer = (...permissions: string[]): Viewer => ({
  userId: 'admin-1',
  roles: new Set(),
  permissions: new Set(['admin:queue', ...permissions]),
});
const ADMIN = viewer('events:receive', 'events:admin', 'events:sensitive');
const zone = (n: number, more: Partial<PublishRequest> = {}): PublishRequest => ({
  event_type: 'zone_updated',
  data: { n },
  ...more,
});
const mailed = (n: number, users: readonly string[], more: Partial<PublishRequest> = {}): PublishRequest => ({
  ...zone(n, more),
  event_type: 'notification_sent',
  target_user_ids: users,
});

interface Told {
  readonly name: string | undefined;
  readonly status: string;
  readonly offsets: readonly (readonly [user: string | null, offset: number])[];
}

describe('the record of events', function () {
  this.timeout(30_000);
  let server: RedisServer;
  const nodes: EventNode[] = [];
  before(async () => {
    server = await startRedis();
  });
  afterEach(async () => {
    await Promise.all(nodes.splice(0).map((node) => node.stop()));
    await server.client().flushall();
  });
  after(() => server.stop());

  async function start(direct: 'together' | 'asking' | undefined, options: Parameters<typeof startEventNode>[1] = {}) {
    const node = await startEventNode(server.url, { ...options, ...(direct === undefined ? {} : { direct }) });
    nodes.push(node);
    const eventStatuses = new EventStatuses(node.log, node.queues);
    const report = (error: unknown): never => {
      throw error;
    };
    const records = new EventRecords({ eventStatuses, queues: node.queues, catalogue: () => catalogue, report });
    const publish = async (...events: PublishRequest[]): Promise<string[]> =>
      (await node.publisher.publish(events, SERVICE)).map(({ eventId }) => eventId);
    return { node, records, publish };
  }

  async function all(records: EventRecords, request: ListEventsRequest = {}): Promise<ListedEvent[]> {
    const events: ListedEvent[] = [];
    for (let cursor: string | null | undefined; cursor !== null; ) {
      const page = await records.list({ limit: 100, ...request, ...(cursor === undefined ? {} : { cursor }) }, ADMIN);
      events.push(...page.events);
      cursor = page.next_cursor;
    }
    return events;
  }

  /** What every mode must tell of the same publishes, by names instead of ids that differ from run to run. */
  async function told(direct: 'together' | 'asking' | undefined): Promise<Told[]> {
    const { node, records, publish } = await start(direct);
    const names = new Map<string, string>();
    const send = async (name: string, ...events: PublishRequest[]): Promise<void> => {
      for (const [index, id] of (await publish(...events)).entries()) names.set(id, `${name}-${index}`);
    };
    const ended = (name: string) =>
      until(`${name} is recorded`, async () =>
        (await all(records)).some((event) => names.get(event.event_id) === name),
      );
    await send('broadcast', zone(1));
    await ended('broadcast-0');
    await send('targeted', mailed(2, ['ann']), mailed(3, ['bob']));
    await ended('targeted-1');
    await send('both', mailed(4, ['ann', 'bob'], { ordering_key: 'k' }));
    await ended('both-0');
    await send('named', zone(5, { id: 'a' }), zone(6, { id: 'b' }));
    await ended('named-1');
    await send('named', zone(5, { id: 'a' }), zone(6, { id: 'b' }));
    await send('delayed', zone(7, { delay_ms: 50 }));
    await ended('delayed-0');
    await send('expired', zone(8, { delay_ms: 50, expires_at: new Date(Date.now() + 1).toISOString() }));
    await ended('expired-0');
    const queue = new Queue('events-0', { connection: server.client(), prefix: node.keys.queuePrefix(0) });
    const bad = { ...storedEvent('bad'), type: 'gone_type' };
    names.set('bad', 'bad').set('good', 'good');
    const data = { publisher: 'service-1', ordering_key: 'k', events: [storedEvent('good'), bad] };
    await queue.add('zone_updated', data, { jobId: 'batch_shared' });
    await queue.close();
    await ended('good');
    await ended('bad');
    const list = await all(records);
    for (const { event_id: id, status, positions } of list) {
      expect(await records.find(id, ADMIN), id).to.deep.include({ status, positions });
    }
    await node.stop();
    nodes.splice(nodes.indexOf(node), 1);
    await server.client().flushall();
    return list.map(({ event_id, way: _, accepted_at, ended_at, queue: __, positions = [], ...event }) => {
      expect(Date.parse(ended_at) - Date.parse(accepted_at)).to.be.at.least(-1000);
      return {
        ...event,
        name: names.get(event_id),
        offsets: positions.map(({ user_id, position }) => [user_id, Number(position.split('.')[1])] as const),
      };
    });
  }

  // Seen red without the record of the direct append, of the worker, and of the failed job.
  it('must be the same whether events are appended at once or by way of a queue', async () => {
    const always = sorted(await told(undefined));
    expect(always.map(({ name, status }) => `${name} ${status}`)).to.include.members([
      'broadcast-0 appended',
      'targeted-0 appended',
      'named-1 appended',
      'delayed-0 appended',
      'expired-0 expired',
      'good appended',
      'bad failed',
    ]);
    expect(sorted(await told('together'))).to.deep.equal(always);
    expect(sorted(await told('asking'))).to.deep.equal(always);
  });

  for (const direct of ['together', 'asking', undefined] as const) {
    it(`must name the positions that clients get, and the way (${direct ?? 'always'})`, async () => {
      const { node, records, publish } = await start(direct);
      const [id = '', mail = ''] = await publish(zone(1), mailed(2, ['ann']));
      const found = async (of: string) => {
        await until(`${of} is recorded`, async () => (await records.find(of, ADMIN)).positions !== undefined);
        return records.find(of, ADMIN);
      };
      const way = direct === undefined ? 'queued' : 'direct';
      const broadcast = await found(id);
      const head = await node.log.head();
      expect(broadcast).to.deep.include({
        status: 'appended',
        event_type: 'zone_updated',
        publisher: SERVICE.userId,
        way,
        target_count: null,
        positions: [{ user_id: null, position: `${head.epoch}.${head.offset}.${head.tag}` }],
      });
      const targeted = await found(mail);
      const box = await node.mailboxes.head('ann');
      expect(targeted).to.deep.include({
        way,
        target_count: 1,
        positions: [{ user_id: 'ann', position: `${box?.epoch}.${box?.offset}.${box?.tag}` }],
      });
    });
  }

  it('must be listed page by page, each event once, by type, publisher and time', async () => {
    const { records, publish } = await start('together', { partitions: 4 });
    const ids: string[] = [];
    for (let n = 0; n < 12; n += 1)
      ids.push(...(await publish(zone(n, { ordering_key: `k${n}` }), mailed(n, [`u${n}`]))));
    const newest = await all(records);
    expect(newest.map(({ event_id }) => event_id)).to.have.members(ids);
    expect(newest).to.have.length(ids.length);
    const times = newest.map(({ ended_at }) => Date.parse(ended_at));
    expect(times).to.deep.equal([...times].sort((a, b) => b - a));
    expect(await all(records, { limit: 1 })).to.deep.equal(newest);
    expect(await all(records, { limit: 5 })).to.deep.equal(newest);
    const zones = await all(records, { limit: 3, event_type: 'zone_updated' });
    expect(zones).to.deep.equal(newest.filter(({ event_type }) => event_type === 'zone_updated'));
    expect(await all(records, { publisher: 'somebody' })).to.deep.equal([]);
    const middle = newest[8]?.ended_at ?? '';
    const sinceThen = newest.filter(({ ended_at }) => ended_at >= middle);
    expect(await all(records, { limit: 2, from: middle })).to.deep.equal(sinceThen);
    expect(await all(records, { limit: 2, to: middle })).to.deep.equal(
      newest.filter(({ ended_at }) => ended_at <= middle),
    );
  });

  it('must not tell whom an event is for to those who may not see it, nor anything to another publisher', async () => {
    const { records, publish } = await start('together');
    const [id = ''] = await publish(mailed(1, ['ann'], { permission: 'admin:stats' }));
    const long = Array.from({ length: 100 }, (_, n) => `user-${n}`);
    await publish(zone(2, { exclude: long }));
    const masked = viewer('events:receive');
    for (const event of (await records.list({}, masked)).events) {
      expect(event).to.include({ withheld: 'permission' }).and.not.have.property('positions');
    }
    const own = { ...masked, userId: SERVICE.userId, permissions: new Set(['events:publish']) };
    expect((await records.find(id, own)).positions?.[0]?.user_id).to.equal('ann');
    const other = { ...own, userId: 'service-2' };
    expect(Object.keys(await records.find(id, other))).to.have.members(['event_id', 'status', 'queue']);
  });
});

/** Queues end independently of each other: their order is no promise. */
function sorted<T>(list: readonly T[]): T[] {
  return [...list].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}
