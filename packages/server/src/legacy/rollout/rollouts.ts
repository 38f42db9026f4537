import type { Core } from '../../core.js';
import type { Settings } from '../../settings/settings.js';
import { decideRollout, LEGACY_OFF, type RolloutDecision } from './rolloutDecision.js';
import { DEFAULT_ROLLOUT, type RolloutState, rolloutOf } from './rolloutState.js';

export type { RolloutDecision } from './rolloutDecision.js';

interface RolloutsParts extends Pick<Core, 'redis' | 'keys' | 'report'>, Pick<Settings, 'legacyEndpoints'> {
  /** Whether this node serves. */
  readonly isServing: () => boolean;
}

/** Interval of the comparison with Redis, ms. */
const COMPARE_MS = 2000;

/**
 * The roll-out in force on this node: which users are assigned to the unified endpoint, and which to the legacy endpoints. Redis holds it
 * for the whole cluster. This copy in memory makes decisions without waiting. It is read before the node serves (also after each
 * interruption) and on each change, and compared every 2 s in case a message was lost. While Redis is away the last known state stays
 * in force. If Redis lost the state, the default applies: all users belong to the legacy endpoints.
 */
export class Rollouts {
  /** LEGACY_ENDPOINTS of this node. */
  readonly legacyEndpoints: boolean;
  private readonly parts: RolloutsParts;
  private readonly listeners: ((before: RolloutState) => void)[] = [];
  private current = DEFAULT_ROLLOUT;
  /** Tells changes apart. A version alone may come twice after a fail-over that lost writes. */
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

  /** The present assignment of a user. Waits for nothing and never throws. */
  decide(userId: string): RolloutDecision {
    return this.legacyEndpoints ? decideRollout(this.current, userId) : LEGACY_OFF;
  }

  /** The listener is called in the turn in which another state comes into force here, with the previous state. */
  onChange(listener: (before: RolloutState) => void): void {
    this.listeners.push(listener);
  }

  /**
   * Puts the state in Redis in force. Answers on one connection come in the order of the requests, so the newest one stays.
   *
   * @throws when Redis does not answer; the state in force stays.
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

  /** From now on a lost message about a change is made up for within COMPARE_MS and a round trip. */
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

  /** As `refresh`, but nearly free for Redis when nothing has changed. */
  private async compare(): Promise<void> {
    const { redis, keys } = this.parts;
    const tag = await redis.hget(keys.rollout(), 'tag');
    if ((tag ?? '') !== this.mark) await this.refresh();
  }

  /** An unreadable state counts as not set. That is the safe side, and its author sees at once that it is not in force. */
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
