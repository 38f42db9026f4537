import { randomBytes } from 'node:crypto';
import type { Bus } from '../../bus/bus.js';
import type { Core } from '../../core.js';
import { LuaScript } from '../../redis/luaScript.js';
import type { Settings } from '../../settings/settings.js';
import type { Clock } from '../../util/clock.js';
import type { ClusterTime } from '../time/clusterTime.js';
import { ENDED, type FailureDetector } from './failureDetector.js';
import type { NodeCards } from './nodeCards.js';

/** A lease is renewed this often, milliseconds. */
export const BEAT_INTERVAL_MS = 1000;
/** Share of the lease that is never used, so that a node stops delivering well before another may call the node dead (C6, C9). */
const SAFETY_MS = 1000;
/** If the wall clock ran this far from the monotonic clock, the machine was suspended (C6). */
const SUSPENDED_MS = 1000;

/**
 * If cluster time is this far ahead of this node's own estimate, ms, the clocks of this machine stood still (suspended, moved to another
 * host). Other nodes call a lease dead two seconds later than its holder does (C6, C9).
 */
const CLOCK_SLACK_MS = 1000;

/**
 * Result of a renewal. `forgotten`: Redis did not know the lease any more, so Redis lost data. `overslept`: the clocks of this machine
 * stood still, so other nodes may already count the lease as dead.
 */
export type Renewal = 'renewed' | 'forgotten' | 'overslept';

const beatScript = (): LuaScript => LuaScript.load('beat', new URL('./lua/beat.lua', import.meta.url));

/** As beat.lua says it. */
type BeatAnswer = [created: number, beats: string[], cards: string[], installation: string];

interface LeaseParts extends Pick<Core, 'redis' | 'keys' | 'installation' | 'nodeId'>, Pick<Settings, 'leaseTtlMs'> {
  readonly bus: Bus;
  /** The clock of this machine. */
  readonly clock: Clock;
  readonly failureDetector: FailureDetector;
  readonly cards: NodeCards;
  /** Asked with each beat. */
  readonly clusterTime: Pick<ClusterTime, 'sample' | 'now'>;
}

/**
 * The node's lease and its right to deliver. The right is checked, not timed (C6): when a suspended process wakes, its
 * pending I/O runs before its timers, and would deliver.
 */
export class Lease {
  private readonly parts: LeaseParts;
  private readonly script = beatScript();
  private current: string;
  private beat = 0;
  private renewedAt = Number.NEGATIVE_INFINITY;
  private wallOffset = 0;
  private held = false;
  private overslept = false;
  /** How far other clocks are ahead, ms: a lead not verified yet, and one that a renewal has shown to be only theirs. */
  private doubtedMs = 0;
  private heardTime = 0;
  private borneMs = 0;

  constructor(parts: LeaseParts) {
    this.parts = parts;
    this.current = newLeaseId(parts.nodeId);
  }

  /** `<node id>.<random>`: new at each start and after each loss, so that data of an earlier lease never looks alive (C10). */
  get id(): string {
    return this.current;
  }

  /** Whether Redis has confirmed this lease. */
  get isHeld(): boolean {
    return this.held;
  }

  /** How long a renewal, or an own message heard on the bus, gives the right to deliver, ms. */
  get rightMs(): number {
    return this.parts.leaseTtlMs - SAFETY_MS;
  }

  /** This node may deliver until then (monotonic ms); in the past when it may not. */
  get validUntil(): number {
    return Math.min(this.renewedAt, this.parts.bus.heardAt) + this.rightMs;
  }

  /** Whether both the lease and the own bus loop-back are fresh now. */
  isValid(): boolean {
    const { clock } = this.parts;
    const mono = clock.mono();
    if (this.overslept) return false;
    return mono < this.validUntil && Math.abs(clock.now() - mono - this.wallOffset) < SUSPENDED_MS;
  }

  /** True when the lease was held and its time ran out: other nodes may have called this node dead (C10). */
  isLost(): boolean {
    const { clock } = this.parts;
    const mono = clock.mono();
    if (this.overslept) return true;
    if (!this.held) return false;
    return mono >= this.renewedAt + this.rightMs || Math.abs(clock.now() - mono - this.wallOffset) >= SUSPENDED_MS;
  }

  /** A message carried this cluster time, ms. */
  heard(time: number): void {
    if (time > this.heardTime) this.heardTime = time;
  }

  /** The latest cluster time known, ms, even when this machine's own estimate is behind. */
  get latestTime(): number {
    return Math.max(this.heardTime, this.parts.clusterTime.now());
  }

  /**
   * Whether a received cluster time is ahead of this machine's clocks: these may have stood still (C6). If the next renewal shows that
   * they did not, the sender's clock is ahead, and a lead of that size is tolerated from then on.
   */
  isBehind(time: number): boolean {
    const lead = time - this.parts.clusterTime.now() - this.borneMs;
    if (lead <= CLOCK_SLACK_MS) return false;
    this.doubtedMs = Math.max(this.doubtedMs, lead);
    return true;
  }

  /** Milliseconds since the last confirmed renewal was sent. */
  get ageMs(): number {
    return this.parts.clock.mono() - this.renewedAt;
  }

  /** Takes a new lease id. The caller moves the bus to its channel and claims its connections again. */
  renew(): void {
    this.current = newLeaseId(this.parts.nodeId);
    this.held = false;
    this.overslept = false;
    this.doubtedMs = 0;
    this.borneMs = 0;
    this.renewedAt = Number.NEGATIVE_INFINITY;
  }

  /**
   * Writes the next beat and reads all beats. The lease is valid from when the renewal was sent, not from the answer.
   *
   * @throws when Redis did not confirm.
   */
  async pulse(): Promise<Renewal> {
    const { clock, failureDetector, cards, clusterTime, installation } = this.parts;
    const lease = this.current;
    const sentAt = clock.mono();
    const offset = clock.now() - sentAt;
    this.beat += 1;
    const written = this.write(lease, this.beat, cards.ownText);
    const [[created, flat, flatCards, installationId], behindMs] = await Promise.all([written, clusterTime.sample()]);
    // Before all else: the failure detector uses the cards.
    cards.take(flatCards);
    installation.agree(installationId);
    failureDetector.observe(pairs(flat), sentAt, clock.mono());
    if (lease === this.current && behindMs > CLOCK_SLACK_MS) {
      this.overslept = true;
      return 'overslept';
    }
    // This answer does not revive a lease that changed or ran out meanwhile.
    if (lease !== this.current || this.isLost()) return 'renewed';
    this.borneMs += this.doubtedMs;
    this.doubtedMs = 0;
    const known = this.held;
    this.held = true;
    this.renewedAt = sentAt;
    this.wallOffset = offset;
    return known && created === 1 ? 'forgotten' : 'renewed';
  }

  /** Says that this node has ended: everything is closed, and nothing more will be delivered. */
  async end(): Promise<void> {
    const lease = this.current;
    this.renew();
    await this.write(lease, ENDED, '');
  }

  private async write(lease: string, beat: number | string, card: string): Promise<BeatAnswer> {
    const { redis, keys, cards, installation } = this.parts;
    const scriptKeys = [keys.nodes(), keys.nodeCards(), keys.installation()];
    return (await this.script.run(redis, scriptKeys, [lease, beat, card, cards.mark, installation.id])) as BeatAnswer;
  }
}

function pairs(flat: readonly string[]): Map<string, string> {
  const map = new Map<string, string>();
  for (let i = 0; i + 1 < flat.length; i += 2) map.set(flat[i] as string, flat[i + 1] as string);
  return map;
}

function newLeaseId(nodeId: string): string {
  return `${nodeId}.${randomBytes(6).toString('base64url').replaceAll('-', '_')}`;
}

/** What tells leases of one node apart. */
export function leaseTail(lease: string): string {
  return lease.slice(lease.lastIndexOf('.') + 1);
}

/** The node id inside a lease id. */
export function nodeOfLease(lease: string): string {
  const dot = lease.lastIndexOf('.');
  return dot < 0 ? lease : lease.slice(0, dot);
}
