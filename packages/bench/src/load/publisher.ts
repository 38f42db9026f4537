import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { WS_PATH } from '@unified-ws/protocol';
import { BroadcastLog } from '@unified-ws/server/events/log';
import { createRedis, parseRedisUrl, type RedisClient } from '@unified-ws/server/redis/connect';
import { Keys } from '@unified-ws/server/redis/keys';
import { WebSocket } from 'ws';
import { EVENT_TYPE, eventData, storedEvent } from './message.js';
import { publisherToken } from './requests.js';

/** A way for events into the cluster. */
export interface Publisher {
  publish(due: number): void;
  /** Resolves when all was accepted. */
  accepted(): Promise<void>;
  close(): Promise<void>;
}

/** Counts answers that are still to come. */
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

/** Publishers at a time, as a backend keeps connections in a pool: a node takes one message of a connection after the other. */
const PUBLISHERS = 32;

/** The whole path: messages to a node, the queue, a worker, the log. */
export async function queuePublisher(port: number): Promise<Publisher> {
  const outstanding = new Outstanding();
  const sockets = await Promise.all(Array.from({ length: PUBLISHERS }, (_, index) => connect(port, index, outstanding)));
  let turn = 0;
  return {
    publish: (due) => {
      outstanding.add();
      const message = { type: 'publish_event', data: { event_type: EVENT_TYPE, data: eventData(due) } };
      sockets[turn % PUBLISHERS]?.send(JSON.stringify(message));
      turn += 1;
    },
    accepted: () => outstanding.none(),
    close: async () => {
      for (const socket of sockets) {
        socket.close();
        await once(socket, 'close');
      }
    },
  };
}

async function connect(port: number, index: number, outstanding: Outstanding): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}${WS_PATH}`, {
    headers: { authorization: `Bearer ${publisherToken(index)}` },
    perMessageDeflate: false,
  });
  await once(socket, 'message');
  socket.on('message', (data: Buffer) => {
    const text = data.toString();
    if (text.startsWith('{"type":"event_accepted"')) outstanding.settle();
    else if (text.includes('error')) outstanding.settle(new Error(`publish refused: ${text}`));
  });
  return socket;
}

/** Straight into the log, without the queue: what is left is append, bus and fan-out. */
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
