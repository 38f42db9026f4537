import type { Core } from '../../core.js';
import { LuaScript } from '../../redis/luaScript.js';
import type { Clock } from '../../util/clock.js';

/** An answer may differ from the own estimate by this much, ms, before a clock counts as set. */
const STEP_MS = 2000;
/** Clocks drift apart by less than this part of the time that passes. */
const DRIFT = 1 / 1000;

/** `redis`: the one whose master holds `<prefix>:nodes`. */
interface ClusterTimeParts extends Pick<Core, 'redis' | 'keys'> {
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
 * The clock by which machines compare times: that of the Redis that holds `<prefix>:nodes`. It is read with each beat and carried on by the
 * monotonic clock between two beats. Cluster time never goes back, and does not follow steps of the Redis clock (time.lua). Before the
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
   * Asks Redis. Returns how far this machine's own estimate was behind the answer, ms; 0 when it was not. If that is more than clocks
   * can drift between two samples, the clocks of this machine stood still.
   *
   * @throws when Redis did not answer. Cluster time goes on by the monotonic clock.
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

  /** Whether the time that Redis returned has really passed, or its clock was set: two of three clocks decide. */
  private check({ time, reported, received }: Sample): 'passed' | 'stepped' {
    const { clock } = this.parts;
    const { reckoning } = this;
    if (reckoning === null) {
      // No node was running: the whole cluster was down, or this node is the first after a step.
      return Math.abs(clock.now() - time) <= Math.abs(clock.now() - reported) ? 'passed' : 'stepped';
    }
    const slack = STEP_MS + spreadAt(reckoning, received);
    const own = this.at(reckoning, received);
    if (time <= own + slack) return 'passed';
    // This machine was suspended: only its wall clock shows it.
    const asleep = clock.now() - received - reckoning.wall;
    return Math.abs(time - own - asleep) <= slack ? 'passed' : 'stepped';
  }

  /** Cluster time lies between the answer and the answer plus the round trip. Of two samples, the one with the shorter trip counts. */
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
  /** The last cluster time that Redis returned before, ms. */
  readonly reported: number;
  readonly isDoubtful: boolean;
  /** Monotonic ms. */
  readonly sent: number;
  readonly received: number;
}

function spreadAt({ at, spread }: Reckoning, mono: number): number {
  return spread + (mono - at) * DRIFT;
}
