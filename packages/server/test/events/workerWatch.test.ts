import { expect } from 'chai';
import { type RedisServer, startRedis } from '../../../../test/support/redis.js';
import { RedisProxy } from '../../../../test/support/redisProxy.js';
import { type EventNode, type EventNodeOptions, SERVICE, startEventNode, until } from './support.js';

const EVENT = { event_type: 'zone_updated', data: {} } as const;
const STALL_MS = 1000;

describe('a worker that starts nothing', function () {
  this.timeout(20_000);
  let server: RedisServer;
  let proxy: RedisProxy;
  const nodes: EventNode[] = [];

  beforeEach(async () => {
    server = await startRedis();
    proxy = await RedisProxy.start(server.port);
  });
  afterEach(async () => {
    await Promise.all(nodes.splice(0).map((node) => node.stop()));
    await proxy.stop();
    await server.stop();
  });

  async function start(options: EventNodeOptions = {}): Promise<EventNode> {
    const node = await startEventNode(server.url, {
      partitions: 1,
      workerUrl: proxy.url,
      stallMs: STALL_MS,
      ...options,
    });
    nodes.push(node);
    return node;
  }

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
    for (const link of proxy.links) {
      link.hold('up');
      link.hold('down');
    }
    await node.publisher.publish([EVENT, EVENT], SERVICE);
    await until('it to be seen', () => node.queues.stats().lanes.some(({ stalledMs }) => stalledMs > STALL_MS));
    await until('both to be appended', async () => (await head(node)) === 3, 6000);
    expect(node.queues.stats().renewals).to.deep.equal({ stalled: 1, ended: 0 });
    await until('all to be well', () => node.queues.stats().lanes.every(({ stalledMs }) => stalledMs === 0));
    await node.publisher.publish(EVENT, SERVICE);
    await until('the next to be appended', async () => (await head(node)) === 4);
  });

  // Seen red without `workerRuns`: its queue stood until it was seen as stalled.
  it('because it gave up with an error must be replaced', async () => {
    const node = await start();
    const inside = node.queues as unknown as { partitions: { worker: { isRateLimited: () => boolean } }[] };
    const worker = inside.partitions[0]?.worker;
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
    const redis = server.client();
    const meta = `${node.keys.queuePrefix(0)}:events-0:meta`;
    await redis.hset(meta, 'paused', '1');
    await node.publisher.publish({ ...EVENT, delay_ms: 600_000 }, SERVICE);
    await redis.lpush(`${node.keys.queuePrefix(0)}:events-0:wait`, 'waits');
    const looked = server.client();
    // Two stall times, told by the looks of the watch.
    const looks = async (): Promise<number> =>
      Number(/cmdstat_lindex:calls=(\d+)/.exec(await looked.info('commandstats'))?.[1] ?? 0);
    const before = await looks();
    await until('ten looks at two queues', async () => (await looks()) >= before + 20);
    expect(node.queues.stats().renewals).to.deep.equal({ stalled: 0, ended: 0 });
  });
});
