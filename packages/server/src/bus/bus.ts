import type { Core } from '../core.js';
import type { RedisClient } from '../redis/connect.js';
import { withTimeout } from '../util/withTimeout.js';
import type { BusMessage } from './busMessages.js';

interface BusParts extends Pick<Core, 'redis' | 'keys' | 'installation' | 'clock' | 'report'> {
  readonly subscriber: RedisClient;
}

export interface BusHandlers {
  /** A batch of broadcast events, as append.lua published it. */
  onEvents(text: string): void;
  /** @param size of the message as it came, characters. */
  onMessage(message: Exclude<BusMessage, { t: 'own' }>, size: number): void;
  /** A message carries this cluster time, ms. Called before the message is handled. */
  onTime(time: number): void;
  /** The subscription broke: any message since then may be lost (C12). */
  onInterrupted(reason: string): void;
}

/** Leases may change faster than a reconcile: beyond this number they are forgotten, and their connections are read from the registry. */
const MAX_FORMER = 16;

interface Waiter {
  readonly since: number;
  readonly resolve: () => void;
}

/**
 * Pub/sub between the nodes. A resolved `PUBLISH` does not mean delivered, and `ready` does not mean subscribed: only an own
 * message that came back proves that this subscription hears (C6). Each subscription has an epoch, so that a proof
 * from an earlier subscription does not count.
 */
export class Bus {
  private readonly parts: BusParts;
  private readonly handlers: BusHandlers;
  private lease = '';
  /** Former leases of this node, on whose channels it still listens. */
  private former: readonly string[] = [];
  private epoch = 0;
  private subscribed = false;
  private heard = Number.NEGATIVE_INFINITY;
  private subscribedAt = 0;
  private stopped = false;
  private waiters: Waiter[] = [];

  constructor(parts: BusParts, handlers: BusHandlers) {
    this.parts = parts;
    this.handlers = handlers;
    parts.subscriber.on('message', (channel: string, text: string) => this.receive(channel, text));
    parts.subscriber.on('close', () => this.interrupted('the subscriber connection closed'));
    parts.subscriber.on('ready', () => void this.subscribe());
  }

  /**
   * The lease whose channel this node listens on. A change takes effect with a new subscription. The node stays on the channel of the former lease
   * until `leaveFormer`: registry entries name that lease, and evicts go there (C10).
   */
  useLease(lease: string): void {
    const previous = this.lease;
    this.lease = lease;
    if (previous === '' || previous === lease || this.stopped) return;
    this.subscribed = false;
    this.epoch += 1;
    this.former = [...this.former, previous].slice(-MAX_FORMER);
    void this.subscribe();
  }

  /** All registry entries are under the present lease. */
  leaveFormer(): void {
    const { former } = this;
    if (former.length === 0) return;
    this.former = [];
    const { subscriber, keys, report } = this.parts;
    subscriber.unsubscribe(...former.map((lease) => keys.nodeChannel(lease))).catch((error: unknown) => {
      report(error, 'bus.unsubscribe');
    });
  }

  /** Send time (monotonic ms) of the last own message that came back on this subscription; -Infinity when none did. */
  get heardAt(): number {
    return this.subscribed ? this.heard : Number.NEGATIVE_INFINITY;
  }

  /** Monotonic ms since when this subscription is in force, or null while there is none. */
  get subscribedSince(): number | null {
    return this.subscribed ? this.subscribedAt : null;
  }

  /** Sends the node a message of its own. */
  async sendOwn(): Promise<void> {
    const message: BusMessage = { t: 'own', epoch: this.epoch, at: this.parts.clock.mono() };
    await this.publish(this.lease, message);
  }

  /** Sends without waiting: the sender's repeat or deadline makes up for a lost message. */
  send(lease: string, message: BusMessage): void {
    this.publish(lease, message).catch((error: unknown) => this.parts.report(error, 'bus.send'));
  }

  /** As `send`, a message that is JSON already. */
  sendText(lease: string, text: string): void {
    this.publishText(lease, text).catch((error: unknown) => this.parts.report(error, 'bus.send'));
  }

  async publish(lease: string, message: BusMessage): Promise<void> {
    await this.publishText(lease, JSON.stringify(message));
  }

  /**
   * Resolves when an own message sent after this call has come back: everything published before the call and
   * delivered to this subscription has been handled by then.
   *
   * @throws Error when that did not happen within `timeoutMs`.
   */
  async barrier(timeoutMs: number): Promise<void> {
    const since = this.parts.clock.mono();
    let waiter: Waiter | undefined;
    const heard = new Promise<void>((resolve) => {
      waiter = { since, resolve };
      this.waiters.push(waiter);
    });
    try {
      const back = Promise.all([heard, this.sendOwn()]).then(() => true);
      if (!(await withTimeout(back, timeoutMs, false))) {
        throw new Error('the node did not hear its own message on the bus in time');
      }
    } finally {
      this.waiters = this.waiters.filter((entry) => entry !== waiter);
    }
  }

  /** Drops the subscriber's connection and lets it reconnect: the remedy for a silent subscription. */
  reconnect(): void {
    if (this.stopped) return;
    this.interrupted('the bus was silent');
    this.parts.subscriber.disconnect(true);
  }

  stop(): void {
    this.stopped = true;
    this.subscribed = false;
  }

  private async publishText(lease: string, text: string): Promise<void> {
    const { redis, keys, installation } = this.parts;
    await redis.publish(keys.nodeChannel(lease), installation.sign(text));
  }

  private async subscribe(): Promise<void> {
    if (this.lease === '' || this.stopped) return;
    this.epoch += 1;
    const epoch = this.epoch;
    const { subscriber, keys, clock, report } = this.parts;
    try {
      const nodes = [this.lease, ...this.former].map((lease) => keys.nodeChannel(lease));
      await subscriber.subscribe(keys.eventsChannel(), ...nodes);
      if (epoch !== this.epoch || this.stopped) return;
      this.subscribed = true;
      this.subscribedAt = clock.mono();
      this.heard = Number.NEGATIVE_INFINITY;
      // While the command link is not up yet, as at a start, the watchdog sends it a moment later.
      if (this.parts.redis.status === 'ready') await this.sendOwn();
    } catch (error) {
      // The watchdog reconnects a subscription that stays silent.
      if (!this.stopped) report(error, 'bus.subscribe');
    }
  }

  private interrupted(reason: string): void {
    if (this.stopped) return;
    this.epoch += 1;
    this.subscribed = false;
    this.handlers.onInterrupted(reason);
  }

  private receive(channel: string, text: string): void {
    if (this.stopped || !this.parts.installation.admits(text)) return;
    try {
      const time = timeOf(text);
      if (time !== null) this.handlers.onTime(time);
      if (channel === this.parts.keys.eventsChannel()) {
        this.handlers.onEvents(text);
        return;
      }
      const message = JSON.parse(text) as BusMessage;
      if (message.t === 'own') this.own(message.epoch, message.at);
      else this.handlers.onMessage(message, text.length);
    } catch (error) {
      this.parts.report(error, 'bus.receive');
    }
  }

  private own(epoch: number, at: number): void {
    if (epoch !== this.epoch) return;
    if (at > this.heard) this.heard = at;
    for (const waiter of this.waiters) if (at >= waiter.since) waiter.resolve();
  }
}

/** The last field before the installation, in messages that carry events: cluster time when they were appended or sent, ms. Null: from a node that does not write it. */
const TIME = /,"time":(\d{13,16})(?:,"installation":"[\w-]{1,64}")?\}$/;

function timeOf(text: string): number | null {
  const digits = TIME.exec(text.slice(-120))?.[1];
  return digits === undefined ? null : Number(digits);
}

/** `text`, a JSON object, with the cluster time as its last field. */
export function withTime(text: string, time: number): string {
  return `${text.slice(0, -1)},"time":${time}}`;
}
