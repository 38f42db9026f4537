import type { LegacyGroup } from '@unified-ws/protocol';
import type { RedisClient } from '../../redis/connect.js';
import type { Keys } from '../../redis/keys.js';
import { LuaScript } from '../../redis/luaScript.js';
import type { Clock } from '../../util/clock.js';

/** Notes that nobody renews are forgotten after this, seconds; the sweep renews those of living connections. */
const NOTE_TTL_S = 3600;
/** Replacements closer to each other than this are of clients that replace each other in turn, milliseconds. */
const ROW_MS = 10_000;
/** Until then a newer connection may come to nothing: refused, or closed before connection_established, milliseconds. */
const SETTLED_MS = 10_000;

const lua = (name: string): LuaScript => LuaScript.load(name, new URL(`./lua/${name}.lua`, import.meta.url));

/** A legacy connection, as far as it is noted. */
export interface LegacyEntrant {
  readonly id: string;
  readonly userId: string;
  readonly group: LegacyGroup;
  /** Cluster time, ms. */
  readonly connectedAt: number;
  adminPermissions(): readonly string[];
}

/** Where one is. */
export interface ConnectionLocation {
  readonly conn: string;
  readonly lease: string;
}

/** One, and what makes its user an admin; nothing is known of that where a node from before it was noted has the connection. */
export interface LegacyAdminLocation extends ConnectionLocation {
  readonly admin: readonly string[];
}

export interface Registration {
  /** Whom it replaces, once it is established: one, or several when a former replacement was lost. */
  readonly replaced: readonly ConnectionLocation[];
  /** How often that happened in a row. */
  readonly row: number;
}

/**
 * Where the legacy connections of each user are, in Redis: so that the newest of a group ends those before it and an order of an admin
 * asks those nodes alone. A note, no claim: it gives no right, a lost one is written anew by the sweep, and none is taken back by
 * anybody but its own connection, or an order could miss one that lives.
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

  /** From now on it is the newest of its group. */
  async take(who: LegacyEntrant, lease: string): Promise<Registration> {
    const [, row, ...others] = (await this.register(who, lease, 'take')) as [number, number, ...string[]];
    const replaced: ConnectionLocation[] = [];
    for (let i = 0; i + 1 < others.length; i += 2) {
      replaced.push({ conn: others[i] as string, lease: others[i + 1] as string });
    }
    return { replaced, row };
  }

  /** Renews the note. Null when it stands; else why the connection is to end: the code of an admin's order, or 0, replaced. */
  async keep(who: LegacyEntrant, lease: string): Promise<number | null> {
    const [held, code] = (await this.register(who, lease, 'keep')) as [number, number];
    return held === 1 ? null : code;
  }

  /** It is gone. @param code for when it is not, because its node could not be told; default: it is. */
  async forget(userId: string, conn: string, code = 0): Promise<void> {
    await this.scripts.unregister.run(this.redis, [this.keys.noted(userId)], [conn, code]);
  }

  async of(userId: string): Promise<ConnectionLocation[]> {
    return (await this.all(userId)).filter(({ code }) => code === 0);
  }

  /** Those too that an order has ended and whose node has not said so. */
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
