import { setTimeout as sleep } from 'node:timers/promises';
import type { Report } from '../../observability/log/logger.js';
import type { RedisClient } from '../../redis/connect.js';

const PAUSE_MS = 100;

/** Asks a Redis that did not answer until it does. Each question ends with the command time-out. */
export class SilenceProbe {
  private readonly report: Report;
  private asking = false;
  private stopped = false;

  constructor(report: Report) {
    this.report = report;
  }

  /** It did not answer, and has not since: whatever it is sent now would run when it wakes. */
  get isSilent(): boolean {
    return this.asking;
  }

  async ask(redis: RedisClient): Promise<void> {
    if (this.asking) return;
    this.asking = true;
    try {
      // Not connected: every command is refused at once anyway, and 'ready' ends that.
      while (!this.stopped && redis.status === 'ready') {
        try {
          await redis.ping();
          return;
        } catch (error) {
          this.report(error, 'events.probe');
          await sleep(PAUSE_MS);
        }
      }
    } finally {
      this.asking = false;
    }
  }

  stop(): void {
    this.stopped = true;
  }
}
