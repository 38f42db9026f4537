import type { Report } from '../../observability/log/logger.js';
import type { RedisClient } from '../../redis/connect.js';
import type { Keys } from '../../redis/keys.js';
import { decideRollout, LEGACY_OFF, type RolloutDecision } from './rolloutDecision.js';
import { DEFAULT_ROLLOUT, type RolloutState, rolloutOf } from './rolloutState.js';

export type { RolloutDecision } from './rolloutDecision.js';

export interface RolloutsParts {
  readonly redis: RedisClient;
  readonly keys: Keys;
  readonly report: Report;
  /** LEGACY_ENDPOINTS. */
  readonly legacyEndpoints: boolean;
  /** Whether this node serves. */
  readonly isServing: () => boolean;
}

/** How often the state is compared with that in Redis, ms. */
const COMPARE_MS = 2000;

/**
 * The roll-out that is in force on this node: who is assigned to the unified endpoint, and who to those of the predecessor. Redis
 * holds it for the whole cluster; this is the copy in memory, so that a decision waits for nothing. It is read before the node serves
 * (after each interruption too), on each change, and compared every 2 s, so that a message that was lost is made up for. While
 * Redis is away the last known one stays in force; a Redis that forgot it means the default, by which everybody goes to the
 * legacy endpoints.
 */
export class Rollouts {
  /** LEGACY_ENDPOINTS of this node. */
  readonly legacyEndpoints: boolean;
  private readonly parts: RolloutsParts;
  private readonly listeners: ((before: RolloutState) => void)[] = [];
  private current = DEFAULT_ROLLOUT;
  /** Tells one change from another; a version alone comes again after a fail-over that lost writes. */
  private mark = '';
  private timer: NodeJS.Timeout | null = null;

  constructor(parts: RolloutsParts) {
    this.parts = parts;
    this.legacyEndpoints = parts.legacyEndpoints;
  }

  get state(): RolloutState {
    return this.current;
  }

  get tag(): string {
    return this.mark;
  }

  /** What a user is assigned to now. Waits for nothing and never throws. */
  decide(userId: string): RolloutDecision {
    return this.legacyEndpoints ? decideRollout(this.current, userId) : LEGACY_OFF;
  }

  /** Called in the turn in which another state comes into force here, with the one before. */
  onChange(listener: (before: RolloutState) => void): void {
    this.listeners.push(listener);
  }

  /**
   * Puts in force what Redis holds. Answers of one connection come in the order of the requests, so the newest one stays.
   *
   * @throws when Redis does not answer: what was in force stays.
   */
  async refresh(): Promise<void> {
    const { redis, keys } = this.parts;
    const fields = await redis.hgetall(keys.rollout());
    const tag = fields.tag ?? '';
    if (tag === this.mark) return;
    const before = this.current;
    this.current = this.read(fields);
    this.mark = tag;
    for (const listener of this.listeners) this.tell(listener, before);
  }

  /** From now on a message about a change that was lost is made up for within COMPARE_MS and a round trip. */
  start(): void {
    const { isServing, report } = this.parts;
    this.timer = setInterval(() => {
      if (isServing()) this.compare().catch((error: unknown) => report(error, 'operations.rollout'));
    }, COMPARE_MS);
  }

  stop(): void {
    if (this.timer) clearInterval(this.timer);
    this.timer = null;
  }

  /** As `refresh`, and costs Redis next to nothing when there is nothing new. */
  private async compare(): Promise<void> {
    const { redis, keys } = this.parts;
    const tag = await redis.hget(keys.rollout(), 'tag');
    if ((tag ?? '') !== this.mark) await this.refresh();
  }

  /** What cannot be read counts as nothing: that is the safe side, and whoever put it there sees at once that it is not in force. */
  private read(fields: Readonly<Record<string, string>>): RolloutState {
    try {
      return rolloutOf(fields);
    } catch (error) {
      this.parts.report(error, 'operations.rollout');
      return DEFAULT_ROLLOUT;
    }
  }

  private tell(listener: (before: RolloutState) => void, before: RolloutState): void {
    try {
      listener(before);
    } catch (error) {
      this.parts.report(error, 'operations.rollout');
    }
  }
}
