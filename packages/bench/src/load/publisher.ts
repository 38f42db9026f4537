import { randomBytes } from 'node:crypto';
import { Agent, request } from 'node:http';
import { REST_BASE } from '@unified-ws/protocol';
import { BroadcastLog } from '@unified-ws/server/events/log/broadcastLog';
import { createRedis, parseRedisUrl, type RedisClient } from '@unified-ws/server/redis/connect';
import { Keys } from '@unified-ws/server/redis/keys';
import { EVENT_TYPE, eventData, storedEvent } from './message.js';
import { publisherToken } from './requests.js';

/** A way to publish events to the cluster. */
export interface Publisher {
  publish(due: number): void;
  /** Resolves when all events were accepted. */
  accepted(): Promise<void>;
  close(): Promise<void>;
}

const ACCEPTED = 202;

/** Counts outstanding answers. */
class Outstanding {
  private count = 0;
  private failure: Error | null = null;
  private waiting: { resolve: () => void; reject: (error: Error) => void } | null = null;

  add(): void {
    this.count += 1;
  }

  settle(failure: Error | null = null): void {
    this.count -= 1;
    this.failure ??= failure;
    if (this.failure) this.waiting?.reject(this.failure);
    else if (this.count === 0) this.waiting?.resolve();
  }

  async none(): Promise<void> {
    if (this.failure) throw this.failure;
    if (this.count === 0) return;
    await new Promise<void>((resolve, reject) => {
      this.waiting = { resolve, reject };
    });
    this.waiting = null;
  }
}

/** Simultaneous requests: a backend's pool of connections. */
const POOL = 32;

/** The whole path of a backend's event: POST /broadcast to a node, the queue, a worker, the log. */
export function restPublisher(port: number): Publisher {
  const outstanding = new Outstanding();
  const agent = new Agent({ keepAlive: true, maxSockets: POOL });
  const headers = { authorization: `Bearer ${publisherToken()}`, 'content-type': 'application/json' };
  const options = { host: '127.0.0.1', port, path: `${REST_BASE}/broadcast`, method: 'POST', agent, headers };
  return {
    publish: (due) => {
      outstanding.add();
      const sent = request(options, (response) => {
        response.resume();
        const { statusCode } = response;
        response.once('end', () => {
          outstanding.settle(statusCode === ACCEPTED ? null : new Error(`publish was answered with ${statusCode}`));
        });
      });
      sent.once('error', (error) => outstanding.settle(error));
      sent.end(JSON.stringify({ event_type: EVENT_TYPE, data: eventData(due) }));
    },
    accepted: () => outstanding.none(),
    close: async () => agent.destroy(),
  };
}

/** Appends to the log directly, without the queue. The remainder is append, bus and fan-out. */
export async function logPublisher(redisUrl: string): Promise<Publisher> {
  const outstanding = new Outstanding();
  const options = { commandTimeoutMs: 10_000, name: 'bench' };
  const redis: RedisClient = createRedis(parseRedisUrl(redisUrl), 'command', options);
  await redis.connect();
  const history = { historySize: 100_000, historyBytes: 64 * 1024 * 1024, historyTtlMs: 3_600_000 };
  const log = new BroadcastLog({ redis, keys: new Keys('uws'), random: randomBytes, ...history });
  return {
    publish: (due) => {
      outstanding.add();
      log.append([storedEvent(due)]).then(
        () => outstanding.settle(),
        (error: unknown) => outstanding.settle(error instanceof Error ? error : new Error(String(error))),
      );
    },
    accepted: () => outstanding.none(),
    close: async () => redis.disconnect(),
  };
}
