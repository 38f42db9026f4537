import { type BufferedEvent, bufferedEvent } from './bufferedEvent.js';
import { Elapsed } from './elapsed.js';
import { type BatchLimits, EventBuffer } from './eventBuffer.js';
import { PublishError, type PublishErrorFacts, type PublisherCode, type PublishOutcome } from './publishError.js';
import {
  type ClosePublisherOptions,
  type PublishEvent,
  type Published,
  type PublisherOptions,
  type PublisherSettings,
  type PublishFailure,
  type PublishOptions,
  publisherSettings,
} from './publisherOptions.js';
import { type Answer, type Problem, publishRequest } from './publishRequest.js';
import { refusedEvents } from './refusedEvents.js';
import { retryDelay } from './retryDelay.js';
import { Sleeper, timerMs } from './sleeper.js';
import { timeLimit } from './timeLimits.js';
import { TokenFailure, TokenSource } from './tokenSource.js';

const DEFAULT_CLOSE_MS = 10_000;
/** New tokens that are refused in a row before events are given up: a new key takes some seconds to reach every node. */
const MAX_REFUSED_TOKENS = 4;
/**
 * Makes a publisher. It opens nothing until the first event.
 *
 * @throws TypeError for an option that cannot be meant.
 * @example
 * const publisher = createPublisher({
 *   url: 'https://example.com/api/unified/ws',
 *   getToken: () => process.env.UNIFIED_TOKEN ?? '',
 * });
 * await publisher.publish({ event_type: 'health_update', data: { status: 'ok' } });
 * await publisher.close();
 */
export function createPublisher(options: PublisherOptions): Publisher {
  return new Publisher(options);
}

/**
 * Publishes events from a service by REST: in batches, with retries, in the order of the calls. One request is under way at a time, and
 * each retry has the same ids, so an event is published once. Make one per process.
 */
export class Publisher {
  private readonly settings: PublisherSettings;
  private readonly tokens: TokenSource;
  private readonly buffer: EventBuffer;
  private batchLimits: BatchLimits;
  private running = false;
  private failures = 0;
  private refusedTokens = 0;
  private failure: PublishFailure | null = null;
  /** The calls of `flush()` that wait. Each gets the events that are settled. */
  private readonly flushing = new Set<(event: BufferedEvent) => void>();
  private closing: Promise<{ readonly rejected: number }> | null = null;
  /** Ends the request under way and all waiting. */
  private readonly stop = new AbortController();
  private readonly sleeper = new Sleeper();

  constructor(options: PublisherOptions) {
    this.settings = publisherSettings(options);
    const { maxBufferedEvents, maxBufferedBytes } = this.settings;
    this.tokens = new TokenSource(this.settings, this.stop.signal);
    this.buffer = new EventBuffer({ events: maxBufferedEvents, bytes: maxBufferedBytes });
    this.batchLimits = this.fullBatch;
    const { signal } = options;
    const end = (): void => void this.close({ timeoutMs: 0 });
    if (signal?.aborted) end();
    else signal?.addEventListener('abort', end, { once: true, signal: this.stop.signal });
  }

  /** What is in memory: events, and their bytes as JSON. */
  get buffered(): BatchLimits {
    return this.buffer.size;
  }

  /** Why nothing is accepted at the moment; null: the last attempt succeeded, or there was none. For health checks. */
  get lastFailure(): PublishFailure | null {
    return this.failure;
  }

  /**
   * Publishes one event. Resolves when the server has accepted it. A refused event rejects its own promise alone; later events go on.
   *
   * @throws PublishError
   * @example
   * const { eventId } = await publisher.publish({
   *   event_type: 'notification_sent',
   *   data: { text: 'shipped' },
   *   target_user_ids: ['user-1'],
   *   id: 'order-17-shipped',
   * });
   */
  publish(event: PublishEvent, { signal }: PublishOptions = {}): Promise<Published> {
    return new Promise((resolve, reject) => {
      const made = bufferedEvent(event, { resolve, reject });
      if (made === null) return reject(failed('INVALID_EVENT', 'The event is not JSON.', { outcome: 'not_published' }));
      const { id: eventId } = made;
      const refuse = (code: PublisherCode, message: string, cause?: unknown): void =>
        reject(failed(code, message, { outcome: 'not_published', eventId, cause }));
      if (signal?.aborted) return refuse('ABORTED', 'The signal is aborted.', signal.reason);
      if (this.closing) return refuse('CLOSED', 'The publisher is closed.');
      const { maxBufferedBytes, whenFull } = this.settings;
      if (made.bytes > maxBufferedBytes) return refuse('INVALID_EVENT', 'The event is larger than the buffer.');
      if (!this.buffer.add(made)) {
        if (whenFull === 'reject') return refuse('BUFFER_FULL', 'The buffer is full.');
        this.buffer.wait(made);
      }
      if (signal) this.watch(made, signal);
      this.added();
    });
  }

  /**
   * Resolves when each event that was published before this call is accepted or rejected. Nothing waits for others to share its request
   * meanwhile. Never rejects: the promises of the events tell.
   */
  async flush(): Promise<void> {
    const open = new Set(this.buffer);
    if (open.size === 0) return;
    await new Promise<void>((resolve) => {
      const forget = (event: BufferedEvent): void => {
        open.delete(event);
        if (open.size > 0) return;
        this.flushing.delete(forget);
        resolve();
      };
      this.flushing.add(forget);
      this.sleeper.wake();
    });
  }

  /**
   * Takes no more events, publishes the buffered events, and rejects those that remain at the deadline with `CLOSED`. Resolves with the
   * number of those. A second call returns the same promise.
   *
   * @example
   * process.once('SIGTERM', async () => {
   *   const { rejected } = await publisher.close({ timeoutMs: 5000 });
   *   process.exit(rejected === 0 ? 0 : 1);
   * });
   */
  close({ timeoutMs = DEFAULT_CLOSE_MS }: ClosePublisherOptions = {}): Promise<{ readonly rejected: number }> {
    this.closing ??= this.end(timeoutMs);
    return this.closing;
  }

  private async end(timeoutMs: number): Promise<{ readonly rejected: number }> {
    let rejected = 0;
    const giveUp = (): void => {
      for (const event of [...this.buffer]) {
        rejected += 1;
        this.reject(event, 'CLOSED', 'The publisher was closed before the server accepted the event.');
      }
      this.stop.abort();
    };
    if (timeoutMs <= 0) giveUp();
    const timer = setTimeout(giveUp, timerMs(timeoutMs));
    await this.flush();
    clearTimeout(timer);
    this.stop.abort();
    return { rejected };
  }

  private watch(event: BufferedEvent, signal: AbortSignal): void {
    const abort = (): void => this.reject(event, 'ABORTED', 'The signal was aborted.', { cause: signal.reason });
    signal.addEventListener('abort', abort, { once: true });
    // A signal of a whole service lives longer than its events.
    event.onSettled = () => signal.removeEventListener('abort', abort);
  }

  private added(): void {
    if (!this.running) {
      this.running = true;
      void this.run();
    } else if (this.isBatchFull) this.sleeper.wake();
  }

  /** One request after the other, so that no event overtakes another one, until nothing is left. */
  private async run(): Promise<void> {
    try {
      await this.linger();
      while (!this.buffer.isEmpty) {
        this.rejectOverdue();
        const batch = this.buffer.batch(this.batchLimits);
        if (batch.length === 0) break;
        await this.attempt(batch);
        if (this.failures > 0) await this.pauseBeforeRetry();
        else await this.linger();
      }
    } finally {
      this.running = false;
    }
  }

  private get fullBatch(): BatchLimits {
    const { maxBatchEvents, maxBatchBytes } = this.settings;
    return { events: maxBatchEvents, bytes: maxBatchBytes };
  }

  private get isBatchFull(): boolean {
    const { events, bytes } = this.buffer.size;
    return events >= this.batchLimits.events || bytes >= this.batchLimits.bytes;
  }

  /** Waits for more events, unless a request is full or somebody waits for the buffer to empty. */
  private async linger(): Promise<void> {
    const until = new Elapsed();
    for (;;) {
      const leftMs = this.settings.lingerMs - until.ms;
      if (leftMs <= 0 || this.isBatchFull || this.flushing.size > 0 || this.buffer.isEmpty) return;
      await this.sleeper.sleep(leftMs);
    }
  }

  /** Ends early when an event's time is over. */
  private async pauseBeforeRetry(): Promise<void> {
    const over = new Elapsed();
    const { retryInMs } = this.failure ?? { retryInMs: 0 };
    for (;;) {
      this.rejectOverdue();
      const leftMs = retryInMs - over.ms;
      if (leftMs <= 0 || this.buffer.isEmpty) return;
      await this.sleeper.sleep(Math.min(leftMs, this.leastLeftMs()));
    }
  }

  private async attempt(batch: readonly BufferedEvent[]): Promise<void> {
    let token: string;
    try {
      token = await this.tokens.get();
    } catch (error) {
      if (!(error instanceof TokenFailure)) throw error;
      if (error.isFinal) return this.rejectAll('UNAUTHORIZED', 'getToken threw an UnauthorizedError.', error.cause);
      return this.failedWith('TOKEN_UNAVAILABLE', null);
    }
    // Some may have been aborted while the token was made.
    const sent = batch.filter((event) => this.buffer.has(event));
    if (sent.length === 0) return;
    const certain = sent.filter(({ uncertain }) => uncertain === null);
    // From before the request on: its events may be published before anybody here hears of it.
    for (const event of certain) event.uncertain = new Elapsed();
    const answer = await this.send(sent, token);
    if (answer.kind !== 'unknown') for (const event of certain) event.uncertain = null;
    this.handle(answer, sent, token);
  }

  private async send(batch: readonly BufferedEvent[], token: string): Promise<Answer> {
    const timeout = new AbortController();
    const abort = (): void => timeout.abort();
    const timer = setTimeout(abort, timerMs(this.settings.requestTimeoutMs));
    this.stop.signal.addEventListener('abort', abort, { once: true });
    try {
      const body = `[${batch.map(({ json }) => json).join()}]`;
      return await publishRequest(this.settings.url, { body, token, signal: timeout.signal }, batch.length);
    } finally {
      this.stop.signal.removeEventListener('abort', abort);
      clearTimeout(timer);
    }
  }

  private handle(answer: Answer, batch: readonly BufferedEvent[], token: string): void {
    if (answer.kind === 'accepted') this.accept(answer, batch);
    else if (answer.kind === 'refused') this.refuse(answer.problem, batch);
    else if (answer.kind === 'unauthorized') this.refuseToken(answer.problem, batch, token);
    else this.failedWith(answer.code, answer.hintMs);
  }

  private succeeded(): void {
    this.failures = 0;
    this.refusedTokens = 0;
    this.failure = null;
  }

  private failedWith(code: string, hintMs: number | null): void {
    this.failures += 1;
    this.failure = { code, attempts: this.failures, retryInMs: retryDelay(this.failures, hintMs) };
  }

  private accept(answer: Answer & { readonly kind: 'accepted' }, batch: readonly BufferedEvent[]): void {
    this.succeeded();
    const { events, bytes } = this.batchLimits;
    // After a refusal that named no event the batches were made smaller.
    this.batchLimits = { events: Math.min(events * 2, this.settings.maxBatchEvents), bytes };
    for (const [index, event] of batch.entries()) {
      const eventId = answer.eventIds[index] ?? '';
      // Under an id that was made here, nothing else can have been published: the server filled in fields of its own.
      if (event.given && answer.payloadDiffers.has(eventId)) {
        this.reject(event, 'PAYLOAD_DIFFERS', 'The server knows the id with another payload.');
      } else {
        const duplicate = answer.duplicates.has(eventId);
        this.settle(event, () => event.resolve({ eventId, acceptedAt: answer.acceptedAt, duplicate }));
      }
    }
  }

  /** Rejects the events that the server named; without any, finds them by halving the batch. */
  private refuse(problem: Problem, batch: readonly BufferedEvent[]): void {
    this.succeeded();
    const { status, code, detail, errors } = problem;
    const named = refusedEvents(problem, batch);
    const isAboutEvents = code === 'VALIDATION_ERROR' || code === 'MESSAGE_ERROR';
    if (named.size > 0) {
      for (const [event, faults] of named) {
        const [first] = faults;
        const message = first ? `The server refused the event: ${first.path} ${first.message}.` : detail;
        this.reject(event, code ?? 'REFUSED', message, { status, errors: faults });
      }
    } else if (batch.length > 1 && isAboutEvents) {
      this.batchLimits = { ...this.batchLimits, events: Math.ceil(batch.length / 2) };
    } else if (batch.length > 1 && status === 413) {
      // Something on the way takes less, and will go on doing so.
      const bytes = batch.reduce((sum, event) => sum + event.bytes, 0);
      this.batchLimits = { ...this.batchLimits, bytes: Math.ceil(bytes / 2) };
    } else {
      for (const event of batch) this.reject(event, code ?? 'REFUSED', detail, { status, errors });
    }
  }

  /** Renews a refused token: the first time at once, because tokens expire; then after pauses, a limited number of times. */
  private refuseToken({ status, code, detail }: Problem, batch: readonly BufferedEvent[], token: string): void {
    this.tokens.refuse(token);
    this.refusedTokens += 1;
    if (this.refusedTokens < MAX_REFUSED_TOKENS) {
      this.failedWith(code ?? 'HTTP_401', this.refusedTokens === 1 ? 0 : null);
      return;
    }
    this.succeeded();
    for (const event of batch) this.reject(event, 'UNAUTHORIZED', detail, { status });
  }

  /** Rejects the events whose time is over. The oldest come first, and all have the same time. */
  private rejectOverdue(): void {
    for (const event of this.buffer) {
      const { leftMs, code, text } = timeLimit(event, this.settings);
      if (leftMs <= 0) this.reject(event, code, text);
      else if (event.uncertain === null) return;
    }
  }

  /** Time until the next event is overdue. */
  private leastLeftMs(): number {
    let least = Number.POSITIVE_INFINITY;
    for (const event of this.buffer) {
      least = Math.min(least, timeLimit(event, this.settings).leftMs);
      if (event.uncertain === null) break;
    }
    return Math.max(1, least);
  }

  private rejectAll(code: PublisherCode, message: string, cause: unknown): void {
    for (const event of [...this.buffer]) this.reject(event, code, message, { cause });
  }

  private reject(
    event: BufferedEvent,
    code: string,
    message: string,
    facts: Omit<PublishErrorFacts, 'outcome' | 'eventId'> = {},
  ): void {
    const outcome: PublishOutcome = event.uncertain === null ? 'not_published' : 'unknown';
    this.settle(event, () => event.reject(new PublishError(code, message, { ...facts, outcome, eventId: event.id })));
  }

  private settle(event: BufferedEvent, tell: () => void): void {
    if (!this.buffer.remove(event)) return;
    event.onSettled();
    tell();
    for (const forget of this.flushing) forget(event);
    // Nothing is left that a pause could hold back.
    if (this.buffer.isEmpty) this.sleeper.wake();
  }
}

function failed(code: PublisherCode, message: string, facts: PublishErrorFacts): PublishError {
  return new PublishError(code, message, facts);
}
