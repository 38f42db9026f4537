import type { Report } from '../../observability/log/logger.js';
import type { RedisClient } from '../../redis/connect.js';
import { AppError } from '../../util/appError.js';
import { SilenceProbe } from './silenceProbe.js';

/** Whether the queues' Redis is reachable, in the same words for operators and publishers. */
export class QueueReachability {
  private readonly setting: string;
  private readonly report: Report;
  private readonly silence: SilenceProbe;
  private client: RedisClient | null = null;
  private failed = false;

  /** @param setting that names the Redis. */
  constructor(setting: string, report: Report) {
    this.setting = setting;
    this.report = report;
    this.silence = new SilenceProbe(report);
  }

  /** The connection that jobs are added by; null: it was given up. */
  watch(client: RedisClient | null): void {
    this.client = client;
    if (client === null) this.failed = true;
  }

  /** Null while it is there, and while nobody has tried to reach it. */
  get away(): string | null {
    const there = this.client?.status === 'ready' ? !this.silence.isSilent : this.client === null && !this.failed;
    return there ? null : this.words;
  }

  get words(): string {
    return `event_queue: its Redis (${this.setting}) does not answer`;
  }

  /** Whatever it is sent while it hangs would run when it wakes. @throws AppError UNAVAILABLE. */
  refuse(): void {
    if (this.client === null || this.silence.isSilent) throw new AppError('UNAVAILABLE', this.words);
  }

  /** One that hangs is to be seen though nobody publishes. */
  look(): void {
    const { client } = this;
    if (client?.status !== 'ready' || this.silence.isSilent) return;
    client.ping().catch((error: unknown) => {
      this.report(error, 'events.ping');
      this.probe();
    });
  }

  /** It did not answer: asked until it does. */
  probe(): void {
    if (this.client) void this.silence.ask(this.client);
  }

  stop(): void {
    this.silence.stop();
  }
}
