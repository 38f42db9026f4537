import type { RedisClient } from '../../redis/connect.js';
import type { Keys } from '../../redis/keys.js';
import { LuaScript } from '../../redis/luaScript.js';
import type { Clock } from '../../util/clock.js';

/** Time that came with an answer may differ from the own reckoning by this, ms, before somebody's clock is said to have been set. */
const STEP_MS = 2000;
/** Clocks run apart by less than this part of the time that passes. */
const DRIFT = 1 / 1000;

export interface ClusterTimeParts {
  /** The Redis whose master holds `<prefix>:nodes`. */
  readonly redis: RedisClient;
  readonly keys: Keys;
  /** Of this machine. */
  readonly clock: Clock;
}

/** What is known of cluster time since the last sample. */
interface Reckoning {
  /** Monotonic ms of the sample. */
  readonly at: number;
  /** Cluster time then, ms. */
  readonly time: number;
  /** How far off `time` may be, ms. */
  readonly spread: number;
  /** The wall clock minus the monotonic one, ms. */
  readonly wall: number;
  /** Cluster time minus the clock of Redis, ms: what is left of a step of that clock. */
  readonly shift: number;
}

/**
 * The clock by which two machines compare: that of the Redis that holds `<prefix>:nodes`, asked with each beat, carried on by the
 * monotonic clock between two beats. It never goes back, and the steps of the clock of Redis are taken out of it (time.lua). Before the
 * first sample it is this machine's wall clock.
 */
export class ClusterTime implements Clock {
  private readonly parts: ClusterTimeParts;
  private readonly script = LuaScript.load('time', new URL('./lua/time.lua', import.meta.url));
  private reckoning: Reckoning | null = null;
  private reported = 0;

  constructor(parts: ClusterTimeParts) {
    this.parts = parts;
  }

  /** Cluster time, milliseconds since the epoch. */
  now(): number {
    const { clock } = this.parts;
    if (this.reckoning === null) return clock.now();
    this.reported = Math.max(this.reported, Math.floor(this.at(this.reckoning, clock.mono())));
    return this.reported;
  }

  /** The monotonic clock of this machine. */
  mono(): number {
    return this.parts.clock.mono();
  }

  /** This machine's wall clock minus cluster time, ms; null before the first sample. */
  get offsetMs(): number | null {
    if (this.reckoning === null) return null;
    const { clock } = this.parts;
    return Math.round(clock.now() - this.at(this.reckoning, clock.mono()));
  }

  /** The clock of the Redis that cluster time comes from, minus cluster time, ms; null before the first sample. 0 unless that clock was set. */
  get redisOffsetMs(): number | null {
    return this.reckoning === null ? null : Math.round(-this.reckoning.shift);
  }

  /**
   * Asks Redis. Returns by how much this machine's own reckoning was behind the answer, ms; 0 when it was not. More than the clocks of
   * machines can run apart between two samples means that those of this one stood still.
   *
   * @throws when Redis did not answer. Time goes on by the monotonic clock.
   */
  async sample(): Promise<number> {
    const first = await this.ask('');
    const sample = first.isDoubtful ? await this.ask(this.check(first)) : first;
    const behind = this.reckoning === null ? 0 : sample.time - this.at(this.reckoning, sample.received);
    this.take(sample);
    return Math.max(0, behind);
  }

  private async ask(decision: 'passed' | 'stepped' | ''): Promise<Sample> {
    const { redis, keys, clock } = this.parts;
    const sent = clock.mono();
    const { reckoning } = this;
    const least = reckoning === null ? '' : (this.at(reckoning, sent) - spreadAt(reckoning, sent)).toFixed(3);
    const answer = await this.script.run(redis, [keys.time()], [least, decision]);
    const [time, raw, reported, isDoubtful] = answer as [string, string, string, number];
    const shift = Number(time) - Number(raw);
    return {
      time: Number(time),
      shift,
      reported: Number(reported),
      isDoubtful: isDoubtful === 1,
      sent,
      received: clock.mono(),
    };
  }

  /** Whether the time that Redis tells has really passed, or its clock was set: two of three clocks decide. */
  private check({ time, reported, received }: Sample): 'passed' | 'stepped' {
    const { clock } = this.parts;
    const { reckoning } = this;
    if (reckoning === null) {
      // No node was there to tell: the whole cluster was away, or this is the first to come after a step.
      return Math.abs(clock.now() - time) <= Math.abs(clock.now() - reported) ? 'passed' : 'stepped';
    }
    const slack = STEP_MS + spreadAt(reckoning, received);
    const own = this.at(reckoning, received);
    if (time <= own + slack) return 'passed';
    // This machine was suspended: its wall clock knows, its monotonic one does not.
    const asleep = clock.now() - received - reckoning.wall;
    return Math.abs(time - own - asleep) <= slack ? 'passed' : 'stepped';
  }

  /** The answer lies between what was told and that plus the round trip. Of two samples the one with the shorter trip counts. */
  private take({ time, shift, sent, received }: Sample): void {
    const { clock } = this.parts;
    const trip = received - sent;
    const old = this.reckoning;
    const wall = clock.now() - received;
    if (old === null || trip / 2 <= spreadAt(old, received)) {
      this.reckoning = { at: received, time: time + trip / 2, spread: trip / 2, wall, shift };
      return;
    }
    const own = Math.min(time + trip, Math.max(time, this.at(old, received)));
    this.reckoning = { at: received, time: own, spread: spreadAt(old, received), wall, shift };
  }

  private at({ at, time }: Reckoning, mono: number): number {
    return time + mono - at;
  }
}

interface Sample {
  readonly time: number;
  readonly shift: number;
  /** Cluster time that Redis told last before, ms. */
  readonly reported: number;
  readonly isDoubtful: boolean;
  /** Monotonic ms. */
  readonly sent: number;
  readonly received: number;
}

function spreadAt({ at, spread }: Reckoning, mono: number): number {
  return spread + (mono - at) * DRIFT;
}
