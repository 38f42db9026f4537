import type { Clock } from '../clock.js';

/** Of a user, one replay of more events than this begins in the time below: a client in a loop costs work and no more (L10). */
const LONG_REPLAY = 1000;
const LONG_REPLAY_EVERY_MS = 5000;
/** Users of whom that is remembered. */
const MAX_REMEMBERED = 10_000;

/** When a user's next long replay may begin. */
export class ReplayPace {
  private readonly clock: Pick<Clock, 'mono'>;
  /** When the last one of a user begins, or began, monotonic ms; oldest first. */
  private readonly begun = new Map<string, number>();

  constructor(clock: Pick<Clock, 'mono'>) {
    this.clock = clock;
  }

  /** When a replay of so many events may begin, monotonic ms; 0: at once. A long one takes its user's turn. */
  notBefore(userId: string, missed: number): number {
    if (missed <= LONG_REPLAY) return 0;
    const now = this.clock.mono();
    const before = this.begun.get(userId);
    const at = before === undefined ? now : Math.max(now, before + LONG_REPLAY_EVERY_MS);
    this.begun.delete(userId);
    this.begun.set(userId, at);
    if (this.begun.size > MAX_REMEMBERED) {
      const oldest = this.begun.keys().next();
      if (!oldest.done) this.begun.delete(oldest.value);
    }
    return at;
  }
}
