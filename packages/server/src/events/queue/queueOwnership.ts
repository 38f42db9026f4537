import { randomBytes } from 'node:crypto';
import type { RedisClient } from '../../redis/connect.js';
import { LuaScript } from '../../redis/luaScript.js';

/** What the queue's Redis says of the installation whose queue it holds. */
interface OwnershipRecord {
  /** Of the node that wrote it: the Redis of its own installation knows it. */
  readonly lease: string;
  /** Of the queue itself: two Redis cannot have the same. */
  readonly queue: string;
  /** Where the installation is, in words. */
  readonly of: string;
}

export interface QueueOwnershipParts {
  /** The connection to the queue's Redis; null: not open. */
  readonly redis: () => RedisClient | null;
  readonly key: string;
  readonly lease: () => string;
  /** Whether REDIS_URL knows a lease, alive or not. */
  readonly knows: (lease: string) => Promise<boolean>;
  /** REDIS_URL and REDIS_PREFIX of this node in words, and where its queue is; without logins. */
  readonly of: string;
  readonly at: string;
}

/**
 * The nodes write it again every 10 s; when none is left, the queue is soon anybody's. Shorter than housekeeping takes to remove a dead
 * lease, which is then not taken for a stranger's.
 */
const OWNERSHIP_MS = 20_000;
/** Others that write at the same time. */
const TRIES = 5;

/**
 * That installation and queue belong together. With the REDIS_QUEUE_URL of another installation a node would work on that one's
 * events, and append them where their users never look; with a queue that the other nodes do not have, the order of a key would be
 * that of two queues. The queue's Redis says whose it is; which queue a node has, its card says.
 */
export class QueueOwnership {
  private readonly parts: QueueOwnershipParts;
  private readonly script = LuaScript.load('claimQueue', new URL('./lua/claimQueue.lua', import.meta.url));
  private queue: string | null = null;
  private stranger: string | null = null;

  constructor(parts: QueueOwnershipParts) {
    this.parts = parts;
  }

  /** For the card; null: not known yet. */
  get value(): string | null {
    return this.queue === null ? null : `${this.queue} at ${this.parts.at}`;
  }

  /** How the queue belongs to another installation, as was found last; null: it is this one's. */
  get fault(): string | null {
    return this.stranger;
  }

  /**
   * Says whose the queue is, or finds it said (`fault`). A Redis that lost its data is told again what queue it was.
   *
   * @throws whatever the connections say.
   */
  async claim(): Promise<void> {
    const { redis: client, key, lease, knows, of, at } = this.parts;
    const redis = client();
    if (redis === null) return;
    let text = (await redis.get(key)) ?? '';
    for (let left = TRIES; left > 0; left -= 1) {
      const found = ownershipRecordOf(text);
      if (found !== null && found.lease !== lease() && !(await knows(found.lease))) {
        this.stranger = `REDIS_QUEUE_URL: the event queue at ${at} is that of another installation (${found.of}); this node is of ${of}`;
        return;
      }
      // Where its id differs from what this node knew, others were quicker after a loss of data.
      const record: OwnershipRecord = {
        lease: lease(),
        queue: found?.queue ?? this.queue ?? randomBytes(6).toString('hex'),
        of,
      };
      const written = JSON.stringify(record);
      text = String(await this.script.run(redis, [key], [OWNERSHIP_MS, text, written]));
      if (text !== written) continue;
      this.queue = record.queue;
      this.stranger = null;
      return;
    }
  }
}

function ownershipRecordOf(text: string): OwnershipRecord | null {
  if (text === '') return null;
  try {
    const record = JSON.parse(text) as Partial<Record<keyof OwnershipRecord, unknown>> | null;
    if (typeof record?.lease !== 'string' || typeof record.queue !== 'string') return null;
    return { lease: record.lease, queue: record.queue, of: String(record.of) };
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

/** A Redis URL without its login and its options. */
export function placeOf(url: string): string {
  return url.replace(/^([a-z+]+:\/\/)(?:.*@)?([^?]*).*$/s, '$1$2');
}
