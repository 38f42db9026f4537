import type { PreferenceChanges } from '@unified-ws/protocol';
import type { RedisClient } from '../../redis/connect.js';
import type { Keys } from '../../redis/keys.js';
import type { PreferenceFormat } from './preferences.js';
import { save } from './save.js';

/** The preferences of users in Redis. They are read by claim.lua, which also renews their time to live. */
export class SavedPreferences {
  private readonly redis: RedisClient;
  private readonly keys: Keys;
  private readonly format: PreferenceFormat;

  constructor(redis: RedisClient, keys: Keys, format: PreferenceFormat) {
    this.redis = redis;
    this.keys = keys;
    this.format = format;
  }

  /**
   * Stores the fields of a change; all of them or none. Idempotent.
   *
   * @throws whatever the connection says; it is not known then whether the change was stored.
   */
  async change(userId: string, changes: PreferenceChanges): Promise<void> {
    const fields = this.format.write(changes);
    if (fields.length === 0) return;
    await save(this.redis, this.keys.prefs(userId), fields);
  }
}
