import { setTimeout as sleep } from 'node:timers/promises';
import { parseBatch } from '@unified-ws/server/events/log/broadcastLog';
import { expect } from 'chai';
import { type RedisServer, startRedis } from '../../../../support/redis.js';
import { type EventNode, SERVICE, startEventNode, until } from '../support.js';

const WAITING = 10_000;
const URGENT = 50;
const PAUSE_MS = 10;
const HANDLER_MS = 1;
const P99_MS = 250;

describe('urgent events', function () {
  this.timeout(60_000);
  let server: RedisServer;
  let node: EventNode;

  before(async () => {
    server = await startRedis();
    node = await startEventNode(server.url, {
      partitions: 2,
      workers: false,
      beforeAppend: () => sleep(HANDLER_MS),
    });
  });
  after(async () => {
    await node.stop();
    await server.stop();
  });

  // Seen red with all events in the lanes of their keys: not one urgent event came before the backlog was worked off.
  it('must overtake 10,000 that wait behind a slow handler', async () => {
    // A key of its own each: no two of them share a job.
    for (let done = 0; done < WAITING; done += 1000) {
      await node.publisher.publish(
        Array.from({ length: 1000 }, (_, index) => ({
          event_type: 'zone_updated',
          data: {},
          ordering_key: `key-${done + index}`,
        })),
        SERVICE,
      );
    }
    const waiting = [...(await node.queues.counts()).values()].reduce((sum, counts) => sum + counts.waiting, 0);
    expect(waiting).to.equal(WAITING);

    const heard = new Map<string, number>();
    let normal = 0;
    const bus = server.client();
    await bus.subscribe(node.keys.eventsChannel());
    bus.on('message', (_channel, text) => {
      for (const { event } of parseBatch(text).entries) {
        if (event.priority === 'urgent') heard.set(event.id, performance.now());
        else normal += 1;
      }
    });
    await node.queues.startWorkers();
    await until('the backlog to be worked on', () => normal > 0);
    const published = new Map<string, number>();
    for (let index = 0; index < URGENT; index += 1) {
      const at = performance.now();
      const event = { event_type: 'zone_updated', data: {}, priority: 'urgent' } as const;
      const [receipt] = await node.publisher.publish(event, SERVICE);
      published.set(receipt?.eventId ?? '', at);
      await sleep(PAUSE_MS);
    }
    await until('all urgent ones', () => heard.size === URGENT, 10_000);
    expect(normal, 'normal ones done meanwhile').to.be.below(WAITING);
    const took = [...published].map(([id, at]) => (heard.get(id) ?? Number.NaN) - at).sort((a, b) => a - b);
    expect(took[Math.ceil(0.99 * URGENT) - 1], `latencies ${took.map(Math.round).join(' ')}`).to.be.at.most(P99_MS);
  });
});
