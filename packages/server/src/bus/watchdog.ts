import type { Report } from '../observability/log/logger.js';
import type { Clock } from '../util/clock.js';
import type { Bus } from './bus.js';

/** Own messages are sent this often; two missed ones mean that the subscription hears nothing. */
export const WATCHDOG_INTERVAL_MS = 1000;
const SILENCE_MS = 2 * WATCHDOG_INTERVAL_MS + 500;

/**
 * Proves each second that the node hears its own messages, and reconnects the subscriber when it does not. A Redis that hangs
 * leaves its clients `ready`: without this check a node would miss everything unnoticed.
 */
export class Watchdog {
  private readonly bus: Bus;
  private readonly clock: Clock;
  private readonly report: Report;
  private timer: NodeJS.Timeout | null = null;
  private lastReconnect = Number.NEGATIVE_INFINITY;
  private lastSubscribed = Number.NEGATIVE_INFINITY;
  private lastTick: number;

  constructor(bus: Bus, clock: Clock, report: Report) {
    this.bus = bus;
    this.clock = clock;
    this.report = report;
    this.lastTick = clock.mono();
  }

  start(): void {
    this.lastTick = this.clock.mono();
    this.lastReconnect = this.lastTick;
    this.timer = setInterval(() => this.tick(), WATCHDOG_INTERVAL_MS);
  }

  stop(): void {
    if (this.timer) clearInterval(this.timer);
    this.timer = null;
  }

  private tick(): void {
    const now = this.clock.mono();
    // After a pause of this process, missing messages prove nothing about the bus: wait one round first.
    const paused = now - this.lastTick > SILENCE_MS;
    this.lastTick = now;
    const since = this.bus.subscribedSince;
    if (since !== null) this.lastSubscribed = now;
    // A broken connection reconnects by itself: dropping it now would double the time.
    const lastSign = Math.max(this.bus.heardAt, since ?? this.lastSubscribed, this.lastReconnect);
    if (!paused && now - lastSign > SILENCE_MS) {
      this.lastReconnect = now;
      this.bus.reconnect();
      return;
    }
    if (since !== null) this.bus.sendOwn().catch((error: unknown) => this.report(error, 'bus.watchdog'));
  }
}
