import type { LegacyGroup } from '@unified-ws/protocol';
import type { RedisClient } from '../../redis/connect.js';
import type { Keys } from '../../redis/keys.js';
import { LuaScript } from '../../redis/luaScript.js';
import type { Clock } from '../../util/clock.js';

/** Life of a note that is not renewed, seconds. The sweep renews the notes of open connections. */
const NOTE_TTL_S = 3600;
/** Replacements closer together than this, milliseconds, mean that clients replace each other in turn. */
const ROW_MS = 10_000;
/** Until then a newer connection may still fail: it may be refused, or close before connection_established. Milliseconds. */
const SETTLED_MS = 10_000;

const lua = (name: string): LuaScript => LuaScript.load(name, new URL(`./lua/${name}.lua`, import.meta.url));

/** The noted facts of a legacy connection. */
export interface LegacyEntrant {
  readonly id: string;
  readonly userId: string;
  readonly group: LegacyGroup;
  /** Cluster time, ms. */
  readonly connectedAt: number;
  adminPermissions(): readonly string[];
}

/** Location of a connection. */
export interface ConnectionLocation {
  readonly conn: string;
  readonly lease: string;
}

/** A connection and its user's admin permissions. They are unknown if an older build wrote the note. */
export interface LegacyAdminLocation extends ConnectionLocation {
  readonly admin: readonly string[];
}

export interface Registration {
  /** The connections that this one replaces once it is established. Several if a former replacement was lost. */
  readonly replaced: readonly ConnectionLocation[];
  /** Number of quick replacements in a row. */
  readonly row: number;
}

/**
 * Notes in Redis of where each user's legacy connections are. With them the newest connection of a group ends the earlier ones, and an
 * admin order asks only the nodes concerned. A note is no claim: it gives no right, and the sweep rewrites a lost one. Only its own
 * connection removes it; otherwise an order could miss an open connection.
 */
export class LegacyRegistry {
  private readonly redis: RedisClient;
  private readonly keys: Keys;
  private readonly clock: Pick<Clock, 'now'>;
  private readonly scripts = { register: lua('register'), unregister: lua('unregister') };

  /** @param clock cluster time. */
  constructor(redis: RedisClient, keys: Keys, clock: Pick<Clock, 'now'>) {
    this.redis = redis;
    this.keys = keys;
    this.clock = clock;
  }

  /** Makes the connection the newest of its group. */
  async take(who: LegacyEntrant, lease: string): Promise<Registration> {
    const [, row, ...others] = (await this.register(who, lease, 'take')) as [number, number, ...string[]];
    const replaced: ConnectionLocation[] = [];
    for (let i = 0; i + 1 < others.length; i += 2) {
      replaced.push({ conn: others[i] as string, lease: others[i + 1] as string });
    }
    return { replaced, row };
  }

  /** Renews the note. Null: the note is current. Otherwise the connection must end: the code of an admin order, or 0: replaced. */
  async keep(who: LegacyEntrant, lease: string): Promise<number | null> {
    const [held, code] = (await this.register(who, lease, 'keep')) as [number, number];
    return held === 1 ? null : code;
  }

  /** Removes the note. @param code not 0: keeps the note with this code, for a node that could not be reached. */
  async forget(userId: string, conn: string, code = 0): Promise<void> {
    await this.scripts.unregister.run(this.redis, [this.keys.noted(userId)], [conn, code]);
  }

  async of(userId: string): Promise<ConnectionLocation[]> {
    return (await this.all(userId)).filter(({ code }) => code === 0);
  }

  /** All notes, including those that an order has ended but whose node has not confirmed. */
  async all(userId: string): Promise<(LegacyAdminLocation & { readonly code: number })[]> {
    const notes = await this.redis.hgetall(this.keys.noted(userId));
    return Object.entries(notes).map(([conn, note]) => {
      const { l: lease, code, a = '' } = JSON.parse(note) as { l: string; code: number; a?: string };
      return { conn, lease, code, admin: a.split(' ') };
    });
  }

  private register(who: LegacyEntrant, lease: string, mode: 'take' | 'keep'): Promise<unknown> {
    const { id, userId, group, connectedAt } = who;
    const admin = who.adminPermissions().join(' ');
    const args = [id, group, lease, mode, connectedAt, NOTE_TTL_S, ROW_MS, SETTLED_MS, this.clock.now(), admin];
    return this.scripts.register.run(this.redis, [this.keys.noted(userId)], args);
  }
}
