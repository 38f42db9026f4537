import type { LegacyGroup } from '@unified-ws/protocol';
import type { RedisClient } from '../redis/connect.js';
import type { Keys } from '../redis/keys.js';
import { LuaScript } from '../redis/scripts.js';

/** A note that nobody renews is forgotten after this, seconds; the sweep renews those of living connections. */
const NOTE_TTL_S = 3600;
/** Replacements closer to each other than this are of clients that replace each other in turn, milliseconds. */
const ROW_MS = 10_000;

const lua = (name: string): LuaScript => LuaScript.load(name, new URL(`./lua/${name}.lua`, import.meta.url));

/** A legacy connection, as far as it is noted. */
export interface Noted {
  readonly id: string;
  readonly userId: string;
  readonly group: LegacyGroup;
}

/** Where one is. */
export interface Whereabouts {
  readonly group: LegacyGroup;
  readonly conn: string;
  readonly lease: string;
}

export interface Taken {
  /** Whom it replaced; null: nobody. */
  readonly replaced: { readonly conn: string; readonly lease: string } | null;
  /** How often that happened in a row. */
  readonly row: number;
}

/**
 * Where the legacy connections of each user are, in Redis: so that the newest of a group ends the one before it and an order of an admin
 * asks those nodes alone. A note, no claim: it gives no right, and a lost one is written anew by the sweep.
 */
export class LegacyNotes {
  private readonly redis: RedisClient;
  private readonly keys: Keys;
  private readonly scripts = { note: lua('note'), unnote: lua('unnote') };

  constructor(redis: RedisClient, keys: Keys) {
    this.redis = redis;
    this.keys = keys;
  }

  /** From now on it is the newest of its group. */
  async take(who: Noted, lease: string): Promise<Taken> {
    const answer = await this.note(who, lease, 'take');
    const [, conn, from, row] = answer as [number, string, string, number];
    return { replaced: conn === '' ? null : { conn, lease: from }, row };
  }

  /** Renews the note. Null when it stands; else why the connection is to end: the code of an admin's order, or 0, replaced. */
  async keep(who: Noted, lease: string): Promise<number | null> {
    const [held, code] = (await this.note(who, lease, 'keep')) as [number, number];
    return held === 1 ? null : code;
  }

  /** It is gone. @param code for when it is not, because its node could not be told; default: it is. */
  async forget({ id, userId, group }: Noted, code = 0): Promise<void> {
    await this.scripts.unnote.run(this.redis, [this.keys.legacy(userId)], [group, id, code]);
  }

  async of(userId: string): Promise<Whereabouts[]> {
    const notes = await this.redis.hgetall(this.keys.legacy(userId));
    return Object.entries(notes).flatMap(([group, note]) => {
      const { c: conn, l: lease } = JSON.parse(note) as { c: string; l: string };
      return conn === '' ? [] : [{ group: group as LegacyGroup, conn, lease }];
    });
  }

  private note({ id, userId, group }: Noted, lease: string, mode: 'take' | 'keep'): Promise<unknown> {
    return this.scripts.note.run(this.redis, [this.keys.legacy(userId)], [group, id, lease, mode, NOTE_TTL_S, ROW_MS]);
  }
}
