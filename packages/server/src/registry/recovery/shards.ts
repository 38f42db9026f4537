import type { Core } from '../../core.js';
import { LuaScript } from '../../redis/luaScript.js';
import { ShardMap } from '../../redis/shardMap.js';

/** A mark lives longer than any pause that is not an interruption anyway, seconds. */
const MARK_TTL_S = 3600;

const markScript = (): LuaScript => LuaScript.load('mark', new URL('./lua/mark.lua', import.meta.url));

interface ShardsParts extends Pick<Core, 'redis' | 'keys' | 'clock' | 'report'> {
  /** Names this process: each process has its own marks. */
  readonly process: string;
}

/** What this node knows of a shard, by its mark there. */
interface Mark {
  readonly key: string;
  /** The newest mark that the shard confirmed; 0 when there is none. */
  confirmed: number;
  /** Replication id of the master that confirmed it: it changes with each fail-over and restart. */
  master: string;
  /** Monotonic ms at which the confirmed one was sent. */
  provenAt: number;
  away: boolean;
  underWay: Promise<void> | null;
}

type MarkAnswer = [found: string, master: string, promoted: number];

/** Called when a shard lost data, went away or came back: the node must reconcile with the registry. */
export type ShardChanged = (reason: string) => void;

/**
 * Whether each shard of Redis still has its data (C12). A shard can be emptied, set back or failed over while all connections
 * stay open, and the shard of the leases does not show that. So each node writes a growing mark to each shard with each beat.
 * If the mark is missing or old, or a promoted replica answers, claims may be lost. Slots that move take the mark
 * with them. A Redis without Cluster is one shard.
 */
export class Shards {
  private readonly parts: ShardsParts;
  private readonly map: ShardMap;
  private readonly script = markScript();
  /** By key. Some belong to shards that have changed: they are asked once more before they are dropped. */
  private readonly marks = new Map<string, Mark>();
  /** By shard. */
  private current: ReadonlyMap<string, Mark> = new Map();
  private beat = 0;

  constructor(parts: ShardsParts) {
    this.parts = parts;
    this.map = new ShardMap(parts.redis);
  }

  /** Whether the shard of this key does not answer: it is then unknown whether its users' connections are current. */
  isAway(key: string): boolean {
    const shard = this.map.of(key);
    return shard !== undefined && this.current.get(shard)?.away === true;
  }

  /** The shards that do not answer, `host:port`. */
  away(): string[] {
    return [...this.current].filter(([, mark]) => mark.away).map(([shard]) => shard);
  }

  /**
   * Asks every shard. Resolves when each has answered or failed; never rejects.
   *
   * @param patienceMs a shard is away when its last confirmed mark is older than this and it does not answer now.
   */
  async prove(patienceMs: number, changed: ShardChanged): Promise<void> {
    const asked = this.parts.clock.mono();
    this.follow(asked);
    const marks = [...this.marks.values()];
    await Promise.all(
      marks.map((mark) => {
        mark.underWay ??= this.ask(mark, patienceMs, changed).finally(() => {
          mark.underWay = null;
        });
        return mark.underWay;
      }),
    );
    if (!marks.every(({ provenAt }) => provenAt >= asked)) return;
    const wanted = new Set(this.current.values());
    for (const mark of marks) if (!wanted.has(mark)) this.marks.delete(mark.key);
  }

  /** One mark for each shard that the client knows of. */
  private follow(now: number): void {
    const { keys, process } = this.parts;
    const current = new Map<string, Mark>();
    const isFirst = this.marks.size === 0;
    for (const [shard, tag] of this.map.tags()) {
      const key = keys.mark(tag, process);
      const master = isFirst ? FIRST : '';
      const mark = this.marks.get(key) ?? { key, confirmed: 0, master, provenAt: now, away: false, underWay: null };
      this.marks.set(key, mark);
      current.set(shard, mark);
    }
    this.current = current;
  }

  private async ask(mark: Mark, patienceMs: number, changed: ShardChanged): Promise<void> {
    const { redis, clock, report } = this.parts;
    this.beat += 1;
    const beat = this.beat;
    const sentAt = clock.mono();
    let answer: MarkAnswer;
    try {
      answer = (await this.script.runAlone(redis, [mark.key], [beat, MARK_TTL_S])) as MarkAnswer;
    } catch (error) {
      report(error, 'registry.shards');
      if (mark.away || clock.mono() - mark.provenAt < patienceMs) return;
      mark.away = true;
      changed('a Redis shard does not answer');
      return;
    }
    const [found, master, promoted] = answer;
    const reason = this.check(mark, Number(found), master, promoted === 1);
    mark.confirmed = beat;
    mark.master = master;
    mark.provenAt = sentAt;
    mark.away = false;
    if (reason !== null) changed(reason);
  }

  private check(mark: Mark, found: number, master: string, promoted: boolean): string | null {
    // '' counts as 0. A mark that was sent and never answered may be stored instead of the confirmed one.
    if (found < mark.confirmed) return 'a Redis shard lost its data';
    if (master !== mark.master && mark.master !== FIRST && promoted && !this.isKnown(master, mark)) {
      return 'a Redis shard failed over';
    }
    return mark.away ? 'a Redis shard answers again' : null;
  }

  /** From a master that had other slots before, this shard's slots moved there: no data is lost by that. */
  private isKnown(master: string, besides: Mark): boolean {
    return [...this.marks.values()].some((mark) => mark !== besides && mark.master === master);
  }
}

/** Used as the master's id while there is nothing to compare with. */
const FIRST = 'first';
