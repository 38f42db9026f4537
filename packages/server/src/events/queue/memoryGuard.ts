import { Cluster } from 'ioredis';
import { isForbidden } from '../../redis/checkBeforeReady.js';
import type { RedisClient } from '../../redis/connect.js';
import type { Clock } from '../../util/clock.js';

/** The last 20 % of Redis memory is reserved for live connections and for working off accepted events (Q6). */
const LIMIT = 0.8;
const MAX_AGE_MS = 1000;

/** Whether Redis has memory left for further events. Servers without `maxmemory` always do. */
export class MemoryGuard {
  private readonly clients: readonly RedisClient[];
  private readonly clock: Clock;
  private at = Number.NEGATIVE_INFINITY;
  private full = false;

  /** @param clients those of the queues and of the log; one server may be behind both. */
  constructor(clients: readonly RedisClient[], clock: Clock) {
    this.clients = clients;
    this.clock = clock;
  }

  /**
   * As of a second ago at most.
   *
   * @throws whatever a connection says.
   */
  async isFull(): Promise<boolean> {
    const now = this.clock.mono();
    if (now - this.at < MAX_AGE_MS) return this.full;
    const infos = await Promise.all(this.clients.map(memoryOf));
    this.full = infos.flat().some((info) => isFull(info));
    this.at = now;
    return this.full;
  }
}

async function memoryOf(client: RedisClient): Promise<readonly string[]> {
  const servers = client instanceof Cluster ? client.nodes('master') : [client];
  return Promise.all(
    servers.map(async (server) => {
      try {
        return await server.info('memory');
      } catch (error) {
        // The memory use is unknown; the inspection reports it.
        if (isForbidden(error)) return '';
        throw error;
      }
    }),
  );
}

function isFull(info: string): boolean {
  const field = (name: string): number => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1] ?? 0);
  const max = field('maxmemory');
  // As Redis itself counts it before it refuses a write.
  return max > 0 && field('used_memory') - field('mem_not_counted_for_evict') > LIMIT * max;
}
