/** Of a user, one replay of more events than this begins in the time below: a client in a loop costs work and no more (L10). */
const LONG_REPLAY = 1000;
const LONG_REPLAY_EVERY_MS = 5000;
/** Users of whom that is remembered. */
const MAX_REMEMBERED = 10_000;

/** Paces the long replays of each user. */
export class ReplayPace {
  /** When the last one of a user began, or is to begin. */
  private readonly begins = new Map<string, number>();

  /** When a replay of so many events may begin, monotonic ms; 0: at once. */
  take(userId: string, missed: number, now: number): number {
    if (missed <= LONG_REPLAY) return 0;
    const before = this.begins.get(userId) ?? Number.NEGATIVE_INFINITY;
    // One that was put off and has not begun keeps its time: a client that comes back again and again must not wait ever longer.
    const at = before > now ? before : Math.max(now, before + LONG_REPLAY_EVERY_MS);
    this.begins.delete(userId);
    this.begins.set(userId, at);
    if (this.begins.size > MAX_REMEMBERED) {
      const oldest = this.begins.keys().next();
      if (!oldest.done) this.begins.delete(oldest.value);
    }
    return at;
  }
}
