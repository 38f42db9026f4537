import { randomBytes, randomUUID } from 'node:crypto';
import type { StoredEvent } from '@unified-ws/server/events/event/storedEvent';
import { BroadcastLog } from '@unified-ws/server/events/log/broadcastLog';
import type { RedisClient } from '@unified-ws/server/redis/connect';
import { Keys } from '@unified-ws/server/redis/keys';
import type { RedisServer } from '../../support/redis.js';

/** An event as a worker appends it; `custom_event` unless told otherwise. */
export function storedEvent(data: Record<string, unknown>, more: Partial<StoredEvent> = {}): StoredEvent {
  return {
    id: randomUUID(),
    type: 'custom_event',
    data,
    timestamp: new Date().toISOString(),
    priority: 'normal',
    category: 'custom',
    severity: 'info',
    ...more,
  };
}

/** Publishes where nobody listens: what is appended through it is a message that the bus has lost. */
class DeafKeys extends Keys {
  override eventsChannel(): string {
    return `${this.prefix}:nobody`;
  }
}

/** The log beside the nodes, so that a test decides what one append holds and whether the bus carries it. */
export function logOf(server: RedisServer, bus: 'heard' | 'lost' = 'heard', historySize = 1000): BroadcastLog {
  return logOn(server.client(), bus, historySize);
}

/** As `logOf`, through a client that the caller ends. */
export function logOn(redis: RedisClient, bus: 'heard' | 'lost' = 'heard', historySize = 1000): BroadcastLog {
  const keys = bus === 'heard' ? new Keys('uws') : new DeafKeys('uws');
  const limits = { historySize, historyBytes: 64 * 1024 * 1024, historyTtlMs: 3_600_000 };
  return new BroadcastLog({ redis, keys, random: randomBytes, ...limits });
}
