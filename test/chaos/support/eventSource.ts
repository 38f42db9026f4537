import { setTimeout as sleep } from 'node:timers/promises';
import { REST_BASE } from '@unified-ws/protocol';
import { systemClock } from '@unified-ws/server/util/clock';
import type { NodeProcess } from '../../support/cluster.js';
import { adminToken } from '../../support/tokens.js';
import type { Random } from './random.js';

/** Longer than a live node needs under load; a paused one is left for another. */
const ANSWER_WITHIN_MS = 2000;
const RETRY_FIRST_MS = 50;
const RETRY_MAX_MS = 1000;
/** A node that did not answer is left alone for this long while another may do. */
const SUSPECT_MS = 1000;
/**
 * Events under way at the same time; more of them wait. Without this bound thousands of repeats kept the machine so busy that
 * no node came back.
 */
const MAX_UNDER_WAY = 200;
const TICK_MS = 10;
/** Broadcasts are spread over so many ordering keys. */
const KEYS = 8;

/** An event that the cluster has accepted. */
export interface Publication {
  /** As it stands in the event. */
  readonly eventId: string;
  /** The user for whom alone it is; null: a broadcast. */
  readonly target: string | null;
  /** When the request that was answered with 202 was sent, and when the answer came: monotonic ms. */
  readonly askedAt: number;
  readonly acceptedAt: number;
}

export interface EventSourceOptions {
  readonly random: Random;
  readonly nodes: readonly NodeProcess[];
  /** Events per second. */
  readonly rate: number;
  /** Who gets targeted events, each a random one; without users all events are broadcasts. */
  readonly users: readonly string[];
  /** Part of the events that is targeted, from 0 to 1. */
  readonly targeted: number;
}

/** Publishes at a steady rate to whichever node answers, each event until it is accepted. */
export class EventSource {
  readonly accepted: Publication[] = [];
  /** Requests that were not answered with 202. */
  retries = 0;
  /** Accepted as known: an earlier request had taken it, and its answer was lost. */
  duplicates = 0;
  private readonly options: EventSourceOptions;
  private readonly headers = { authorization: `Bearer ${adminToken('source')}`, 'content-type': 'application/json' };
  private readonly prefix: string;
  private readonly work = new Set<Promise<void>>();
  private readonly suspects = new Map<NodeProcess, number>();
  private readonly failures: unknown[] = [];
  private count = 0;
  private stopped = false;

  constructor(options: EventSourceOptions) {
    this.options = options;
    this.prefix = options.random.id();
  }

  /** Events begun so far. */
  get begun(): number {
    return this.count;
  }

  /** Resolves when that many events, or those until `stop`, were accepted. */
  async publish(total = Number.POSITIVE_INFINITY): Promise<void> {
    const { rate } = this.options;
    const startedAt = systemClock.mono();
    const until = this.count + total;
    const before = this.count;
    while (this.count < until && !this.stopped && this.failures.length === 0) {
      const due = Math.min(until, before + Math.floor(((systemClock.mono() - startedAt) * rate) / 1000));
      while (this.count < due && this.work.size < MAX_UNDER_WAY) this.begin();
      await sleep(TICK_MS);
    }
    await Promise.all(this.work);
    if (this.failures.length > 0) throw this.failures[0];
  }

  stop(): void {
    this.stopped = true;
  }

  private begin(): void {
    const { random, users, targeted } = this.options;
    this.count += 1;
    const target = users.length > 0 && random.chance(targeted) ? random.pick(users) : null;
    const task: Promise<void> = this.deliver(this.count, target)
      .catch((error: unknown) => {
        this.failures.push(error);
      })
      .finally(() => this.work.delete(task));
    this.work.add(task);
  }

  private async deliver(n: number, target: string | null): Promise<void> {
    const { random } = this.options;
    const body = JSON.stringify({
      event_type: target === null ? 'custom_event' : 'notification_sent',
      // `at` of the first request: the time to delivery includes every retry.
      data: { n, at: systemClock.mono() },
      ...(target === null ? { ordering_key: `key-${n % KEYS}` } : { target_user_ids: [target] }),
    });
    for (let retryMs = RETRY_FIRST_MS; ; retryMs = Math.min(RETRY_MAX_MS, 2 * retryMs)) {
      const askedAt = systemClock.mono();
      const answer = await this.post(body, `${this.prefix}-${n}`);
      if (answer !== null) {
        if (answer.duplicate) this.duplicates += 1;
        this.accepted.push({ eventId: answer.event_id, target, askedAt, acceptedAt: systemClock.mono() });
        return;
      }
      this.retries += 1;
      await sleep(retryMs * random.next());
    }
  }

  private pick(): NodeProcess {
    const { nodes, random } = this.options;
    const now = systemClock.mono();
    const trusted = nodes.filter((node) => (this.suspects.get(node) ?? 0) <= now);
    return random.pick(trusted.length > 0 ? trusted : nodes);
  }

  /** Null: not accepted, as far as is known. @throws Error when the event itself is refused. */
  private async post(body: string, key: string): Promise<{ event_id: string; duplicate: boolean } | null> {
    const node = this.pick();
    let response: Response;
    let text: string;
    try {
      response = await fetch(`${node.http}${REST_BASE}/events`, {
        method: 'POST',
        headers: { ...this.headers, 'idempotency-key': key },
        body,
        signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
      });
      text = await response.text();
    } catch (error) {
      // Killed, paused, or not yet listening: what this test does to nodes.
      if (!(error instanceof Error)) throw error;
      this.suspects.set(node, systemClock.mono() + SUSPECT_MS);
      return null;
    }
    if (response.status === 202) return JSON.parse(text);
    if (response.status >= 500) this.suspects.set(node, systemClock.mono() + SUSPECT_MS);
    if (response.status === 429 || response.status >= 500) return null;
    throw new Error(`publishing was answered ${response.status}: ${text}`);
  }
}
