import { type ChildProcess, fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { type RedisServer, startRedis } from '../../../../support/redis.js';
import { ENGINE, failure, logged, SERVICE, startEventNode, until } from '../support.js';

const CHILD = fileURLToPath(new URL('./closeChild.js', import.meta.url));
const EVENT = { event_type: 'zone_updated', data: {} } as const;

describe('closing the event queues', function () {
  this.timeout(20_000);

  let server: RedisServer;

  beforeEach(async () => {
    server = await startRedis();
  });

  afterEach(() => server.stop());

  async function word(child: ChildProcess): Promise<unknown> {
    const [message] = (await once(child, 'message')) as [unknown];
    return message;
  }

  /**
   * Lets a node close while `before` did something to Redis; ms until it was closed, and until its process had ended.
   */
  async function close(work: 'idle' | 'busy', before: (child: ChildProcess) => unknown) {
    const child = fork(CHILD, [server.url, work], { execArgv: [] });
    expect(await word(child)).to.equal('ready');
    await before(child);
    const started = Date.now();
    const exit = once(child, 'exit');
    child.send('close');
    const { closedAfter } = (await word(child)) as { closedAfter: number };
    const deadline = setTimeout(() => child.kill('SIGKILL'), 8000);
    const [code] = (await exit) as [number | null];
    clearTimeout(deadline);
    return { code, closedAfter, endedAfter: Date.now() - started };
  }

  it('leaves no handle when Redis is well', async () => {
    const { code, closedAfter, endedAfter } = await close('idle', () => undefined);
    expect(code).to.equal(0);
    expect(closedAfter).to.be.below(1000);
    expect(endedAfter).to.be.below(1500);
  });

  it('does not wait for a Redis that is down', async () => {
    const { code, closedAfter, endedAfter } = await close('idle', () => server.kill9());
    expect(code).to.equal(0);
    expect(closedAfter).to.be.below(2000);
    expect(endedAfter).to.be.below(3000);
  });

  it('does not wait for a Redis that hangs', async () => {
    const { code, closedAfter, endedAfter } = await close('idle', () => server.pause());
    expect(code).to.equal(0);
    expect(closedAfter).to.be.below(2000);
    expect(endedAfter).to.be.below(3000);
  });

  it('leaves no handle while it still comes back from an outage', async () => {
    const { code, closedAfter, endedAfter } = await close('idle', async () => {
      await server.kill9();
      await server.restart();
    });
    expect(code).to.equal(0);
    expect(closedAfter).to.be.below(2000);
    expect(endedAfter).to.be.below(4000);
    const clients = String(await server.client().call('CLIENT', 'LIST'));
    expect(clients).not.to.include('test-worker');
  });

  it('ends in time with a job that hangs, which another node then does', async () => {
    const publisher = await startEventNode(server.url, { partitions: 8, workers: false });
    const { code, closedAfter } = await close('busy', async (child) => {
      const hanging = word(child);
      await publisher.publisher.publish(EVENT, SERVICE);
      expect(await hanging).to.equal('hanging');
    });
    expect(code).to.equal(0);
    expect(closedAfter).to.be.below(2000);
    const survivor = await startEventNode(server.url, { partitions: 8 });
    await until('the event in the log', async () => (await survivor.log.head()).offset === 1, 15_000);
    await Promise.all([publisher.stop(), survivor.stop()]);
  }).timeout(25_000);

  it('gives back the job that waits, so that another node need not wait for its lock', async () => {
    let fenced = true;
    const lame = await startEventNode(server.url, { partitions: 1, mayAppend: () => !fenced });
    await lame.publisher.publish({ ...EVENT, id: '1' }, SERVICE);
    await until('the job to be taken', async () =>
      [...(await lame.queues.counts()).values()].some(({ active }) => active === 1),
    );
    await lame.stop();
    fenced = false;
    const survivor = await startEventNode(server.url, { partitions: 1 });
    await until('the event in the log', async () => (await survivor.log.head()).offset === 1, 3000);
    expect(await logged(survivor.log)).to.have.length(1);
    await survivor.stop();
  });

  it('is no news when all is well', async () => {
    const node = await startEventNode(server.url);
    await Promise.all(Array.from({ length: 50 }, () => node.publisher.publish(EVENT, SERVICE)));
    await node.stop();
    expect(node.reports).to.deep.equal([]);
  });

  it('refuses events afterwards instead of losing them, and may be called twice', async () => {
    const node = await startEventNode(server.url);
    await Promise.all([node.queues.close(), node.queues.close()]);
    expect(await failure(node.publisher.publish(EVENT, SERVICE))).to.include({ code: 'UNAVAILABLE' });
    await node.stop();
  });

  it('ends a start that waits for a Redis that hangs', async () => {
    server.pause();
    const { EventQueues } = await import('@unified-ws/server/events/queue/eventQueues');
    const { createRedis, parseRedisUrl } = await import('@unified-ws/server/redis/connect');
    const { Keys } = await import('@unified-ws/server/redis/keys');
    const { systemClock } = await import('@unified-ws/server/util/clock');
    const { EventIds } = await import('@unified-ws/server/events/event/eventIds');
    const queues = new EventQueues(
      {
        engine: ENGINE,
        keys: new Keys('uws'),
        clock: systemClock,
        report: () => undefined,
        ids: new EventIds(systemClock, randomBytes),
        logRedis: server.client(),
        setting: 'REDIS_URL',
        nodeId: 'n',
        connect: (role) => createRedis(parseRedisUrl(server.url), role, { commandTimeoutMs: 500, name: 'test' }),
        knows: () => true,
        mayAppend: () => true,
        append: () => Promise.reject(new Error('not called')),
      },
      { eventQueuePartitions: 1, eventQueueMax: 10, workerStallMs: 15_000, idempotencyWindowMs: 900_000 },
    );
    const started = failure(queues.start());
    await queues.close();
    expect(await started).to.be.an('error');
    server.resume();
  });
});
