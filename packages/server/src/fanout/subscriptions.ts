import type { EventCatalogue } from '../events/catalogue.js';
import type { RedisClient } from '../redis/connect.js';
import type { Keys } from '../redis/keys.js';
import { SAVED_TTL_S } from '../registry/store.js';
import type { Clearance } from './clearance.js';

/** Whether somebody of this clearance may subscribe to the type. False for a type that there is not. */
export function maySubscribe(type: string, clearance: Clearance, catalogue: EventCatalogue): boolean {
  const definition = catalogue.get(type);
  return definition !== undefined && clearance.permissions.has(definition.permission);
}

/**
 * What a user is subscribed to: the defaults of the roles, overlaid by what was saved (`t:<type>` -> 1 or 0), without what
 * is not permitted any more.
 *
 * @param saved flat array of field and value, as claim.lua returns it.
 */
export function effectiveTypes(
  defaults: readonly string[],
  saved: readonly string[],
  clearance: Clearance,
  catalogue: EventCatalogue,
): Set<string> {
  const types = new Set(defaults);
  for (let i = 0; i + 1 < saved.length; i += 2) {
    const field = saved[i] as string;
    if (!field.startsWith('t:')) continue;
    const type = field.slice(2);
    if (saved[i + 1] === '0') types.delete(type);
    else if (maySubscribe(type, clearance, catalogue)) types.add(type);
  }
  return types;
}

/** The saved subscriptions of users in Redis, laid over their defaults. */
export class SavedSubscriptions {
  private readonly redis: RedisClient;
  private readonly keys: Keys;

  constructor(redis: RedisClient, keys: Keys) {
    this.redis = redis;
    this.keys = keys;
  }

  /**
   * Stores a change. Idempotent.
   *
   * @param dropped those of them that are defaults must be passed in `defaults`: dropping a default is saved, dropping another
   *   forgets it.
   */
  async change(
    userId: string,
    added: readonly string[],
    dropped: readonly string[],
    defaults: ReadonlySet<string>,
  ): Promise<void> {
    const key = this.keys.subs(userId);
    const set: string[] = [];
    for (const type of added) set.push(`t:${type}`, '1');
    const forget: string[] = [];
    for (const type of dropped) {
      if (defaults.has(type)) set.push(`t:${type}`, '0');
      else forget.push(`t:${type}`);
    }
    // One slot and one connection: they run in order, and each may be repeated.
    const steps: Promise<unknown>[] = [];
    if (set.length > 0) steps.push(this.redis.hset(key, ...set));
    if (forget.length > 0) steps.push(this.redis.hdel(key, ...forget));
    steps.push(this.redis.expire(key, SAVED_TTL_S));
    await Promise.all(steps);
  }
}
