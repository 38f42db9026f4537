import type { Environment } from './environment.js';

export interface LivenessEvents {
  ping(): void;
  /** True: no sign of life came for longer than the server promised, and it is asked. False: one came after all. */
  onSilent(isSilent: boolean): void;
  /** It did not answer. */
  onDead(): void;
}

/** Tells a quiet connection from a dead one: asks and awaits an answer, because timers of hidden pages run once a minute. */
export interface Liveness {
  /** Any message is a sign of life. */
  heard(): void;
  /** Asks now. */
  probe(): void;
  stop(): void;
}

/** Heartbeats that may be late before the server is asked. */
const PATIENCE = 1.5;
/** A timer that is later than this by the wall clock says that the machine slept, or the page was frozen. */
const LATE_MS = 5000;

export function watchLiveness(
  environment: Environment,
  intervalMs: number,
  pingTimeoutMs: number,
  events: LivenessEvents,
): Liveness {
  let heardAt = environment.now();
  let isSilent = false;
  let cancelTick: (() => void) | null = null;
  let cancelProbe: (() => void) | null = null;

  /** Tells its callback whether it is late. */
  const timer = (ms: number, callback: (isLate: boolean) => void): (() => void) => {
    const due = environment.wallNow() + ms;
    return environment.setTimer(ms, () => callback(environment.wallNow() - due > LATE_MS));
  };

  const endProbe = (): void => {
    cancelProbe?.();
    cancelProbe = null;
  };

  const probe = (): void => {
    if (cancelProbe) return;
    cancelProbe = timer(pingTimeoutMs, (isLate) => {
      cancelProbe = null;
      // The answer may lie unread behind this callback.
      if (isLate) probe();
      else events.onDead();
    });
    events.ping();
  };

  const tell = (is: boolean): void => {
    if (is === isSilent) return;
    isSilent = is;
    events.onSilent(is);
  };

  const tick = (): void => {
    cancelTick = timer(intervalMs / 2, (isLate) => {
      const isOverdue = environment.now() - heardAt > intervalMs * PATIENCE;
      if (isOverdue) tell(true);
      if (isOverdue || isLate) probe();
      tick();
    });
  };

  tick();
  return {
    heard() {
      heardAt = environment.now();
      endProbe();
      tell(false);
    },
    probe,
    stop() {
      cancelTick?.();
      endProbe();
    },
  };
}
