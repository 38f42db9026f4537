import type { Environment } from './environment.js';

export interface LivenessEvents {
  readonly ping: () => void;
  /** No sign of life came for longer than the server promised: it is asked. */
  readonly onSilent: () => void;
  /** A sign of life came after all. */
  readonly onAlive: () => void;
  /** It did not answer. */
  readonly onDead: () => void;
}

/** Heartbeats that may be late before the server is asked. */
const PATIENCE = 1.5;
/** A timer that is later than this by the wall clock says that the machine slept, or the page was frozen. */
const LATE_MS = 5000;

/** Tells a quiet connection from a dead one: asks and awaits an answer, because timers of hidden pages run once a minute. */
export class Liveness {
  private readonly environment: Environment;
  private readonly intervalMs: number;
  private readonly pingTimeoutMs: number;
  private readonly events: LivenessEvents;
  private heardAt: number;
  private isSilent = false;
  private cancelTick: () => void = () => undefined;
  private cancelProbe: (() => void) | null = null;

  constructor(environment: Environment, intervalMs: number, pingTimeoutMs: number, events: LivenessEvents) {
    this.environment = environment;
    this.intervalMs = intervalMs;
    this.pingTimeoutMs = pingTimeoutMs;
    this.events = events;
    this.heardAt = environment.now();
    this.tick();
  }

  private tick(): void {
    const { environment, intervalMs } = this;
    this.cancelTick = this.timer(intervalMs / 2, (isLate) => {
      const isSilent = environment.now() - this.heardAt > intervalMs * PATIENCE;
      if (isSilent && !this.isSilent) {
        this.isSilent = true;
        this.events.onSilent();
      }
      if (isLate || isSilent) this.probe();
      this.tick();
    });
  }

  /** Calls back once, and tells whether that is late. */
  private timer(ms: number, callback: (isLate: boolean) => void): () => void {
    const { environment } = this;
    const due = environment.wallNow() + ms;
    return environment.setTimer(ms, () => callback(environment.wallNow() - due > LATE_MS));
  }

  /** Any message is a sign of life. */
  heard(): void {
    this.heardAt = this.environment.now();
    this.cancelProbe?.();
    this.cancelProbe = null;
    if (!this.isSilent) return;
    this.isSilent = false;
    this.events.onAlive();
  }

  /** Asks now. */
  probe(): void {
    if (this.cancelProbe) return;
    this.cancelProbe = this.timer(this.pingTimeoutMs, (isLate) => {
      this.cancelProbe = null;
      // The answer may lie unread behind this callback.
      if (isLate) this.probe();
      else this.events.onDead();
    });
    this.events.ping();
  }

  stop(): void {
    this.cancelTick();
    this.cancelProbe?.();
  }
}
