import type { QueueWorker } from '@unified-ws/server/events/queue/queueEngine';
import { expect } from 'chai';
import { RedisProxy } from '../../../../support/redisProxy.js';
import { EventSuite } from '../eventSuite.js';
import { type EventNode, SERVICE, until } from '../support.js';

const EVENT = { event_type: 'zone_updated', data: {} } as const;
const STALL_MS = 1000;
/** Of a wait for what a stall time brings about. */
const PATIENCE_MS = 15_000;

describe('a worker that starts nothing', function () {
  this.timeout(60_000);
  const suite = EventSuite.make('each');
  let proxy: RedisProxy;

  beforeEach(async () => {
    proxy = await RedisProxy.start(suite.server.port);
  });
  afterEach(() => proxy.stop());

  const start = (): Promise<EventNode> => suite.start({ partitions: 1, workerUrl: proxy.url, stallMs: STALL_MS });

  const head = async (node: EventNode): Promise<number> => (await node.log.head()).offset;

  // Seen red with WORKER_STALL_MS at ten minutes: nobody sees it, and nothing but the sockets' time-out (15 s) mends it.
  it('because its connections hang must be replaced, or its queue stands while all looks well', async () => {
    const node = await start();
    await node.publisher.publish(EVENT, SERVICE);
    await until('the first to be appended', async () => (await head(node)) === 1);
    // And done with: else it is in work as long as its lock lasts, and the next one is nobody's fault.
    await until('its job to be completed', async () => {
      return [...(await node.queues.counts()).values()].some(({ completed }) => completed === 1);
    });
    const hungAt = performance.now();
    for (const link of proxy.links) {
      link.hold('up');
      link.hold('down');
    }
    await node.publisher.publish([EVENT, EVENT], SERVICE);
    await until(
      'it to be seen',
      () => node.queues.stats().lanes.some(({ stalledMs }) => stalledMs > STALL_MS),
      PATIENCE_MS,
    );
    await until('both to be appended', async () => (await head(node)) === 3, PATIENCE_MS);
    const { stalled, ended } = node.queues.stats().renewals;
    // Once; on a slow machine the new worker may come to its job later than after the next stall time.
    expect([stalled >= 1 && stalled <= (performance.now() - hungAt) / STALL_MS, ended]).to.deep.equal([true, 0]);
    await until(
      'all to be well',
      () => node.queues.stats().lanes.every(({ stalledMs }) => stalledMs === 0),
      PATIENCE_MS,
    );
    await node.publisher.publish(EVENT, SERVICE);
    await until('the next to be appended', async () => (await head(node)) === 4);
  });

  // Seen red without `BullmqWorker.runs`: its queue stood until it was seen as stalled.
  it('because it gave up with an error must be replaced', async () => {
    const node = await start();
    const { partitions } = node.queues as unknown as { partitions: { queue: { worker: QueueWorker } }[] };
    // That of BullMQ, which the engine hides.
    const { worker } = partitions[0]?.queue.worker as unknown as { worker: { isRateLimited: () => boolean } };
    if (!worker) throw new Error('there is no worker');
    worker.isRateLimited = () => {
      throw new Error('broken');
    };
    await until('it to give up', () => node.reports.some(({ error }) => String(error).includes('broken')));
    await node.publisher.publish(EVENT, SERVICE);
    await until('it to be appended', async () => (await head(node)) === 1);
    expect(node.queues.stats().renewals).to.deep.equal({ stalled: 0, ended: 1 });
  });

  it('because an admin paused its queue, or it has none to start, must be left alone', async () => {
    const node = await start();
    const redis = suite.server.client();
    const meta = `${node.keys.queuePrefix(0)}:events-0:meta`;
    await redis.hset(meta, 'paused', '1');
    await node.publisher.publish({ ...EVENT, delay_ms: 600_000 }, SERVICE);
    await redis.lpush(`${node.keys.queuePrefix(0)}:events-0:wait`, 'waits');
    const looked = suite.server.client();
    // Two stall times, told by the looks of the watch.
    const looks = async (): Promise<number> =>
      Number(/cmdstat_lindex:calls=(\d+)/.exec(await looked.info('commandstats'))?.[1] ?? 0);
    const before = await looks();
    await until('ten looks at two queues', async () => (await looks()) >= before + 20, PATIENCE_MS);
    expect(node.queues.stats().renewals).to.deep.equal({ stalled: 0, ended: 0 });
  });
});
