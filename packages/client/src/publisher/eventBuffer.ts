import type { BufferedEvent } from './bufferedEvent.js';

export interface BatchLimits {
  readonly events: number;
  readonly bytes: number;
}

/** Target users of one request, as the server bounds them (docs/PROTOCOL.md). */
const MAX_BATCH_TARGETS = 10_000;
/** The brackets of an array, and the comma of an event. */
const BRACKETS = 2;
const COMMA = 1;

/** The events that wait for the server, in the order of their calls, and behind them those that wait for room. */
export class EventBuffer {
  private readonly limits: BatchLimits;
  /** A Set keeps the order and forgets any of its members at once. */
  private readonly buffered = new Set<BufferedEvent>();
  private readonly waiting = new Set<BufferedEvent>();
  private bytes = 0;

  constructor(limits: BatchLimits) {
    this.limits = limits;
  }

  /** Events and bytes in the buffer. */
  get size(): BatchLimits {
    return { events: this.buffered.size, bytes: this.bytes };
  }

  get isEmpty(): boolean {
    return this.buffered.size === 0;
  }

  /** False: there is no room. Nobody overtakes those who wait for it. */
  add(event: BufferedEvent): boolean {
    if (this.waiting.size > 0 || !this.hasRoomFor(event)) return false;
    this.keep(event);
    return true;
  }

  /** The event is added as soon as there is room. */
  wait(event: BufferedEvent): void {
    this.waiting.add(event);
  }

  has(event: BufferedEvent): boolean {
    return this.buffered.has(event) || this.waiting.has(event);
  }

  /** Forgets an event that is settled. False: it was before. */
  remove(event: BufferedEvent): boolean {
    if (this.waiting.delete(event)) {
      this.fill();
      return true;
    }
    if (!this.buffered.delete(event)) return false;
    this.bytes -= event.bytes;
    this.fill();
    return true;
  }

  /** The oldest events, as many as one request may hold; at least one unless the buffer is empty. */
  batch({ events, bytes }: BatchLimits): readonly BufferedEvent[] {
    const batch: BufferedEvent[] = [];
    let [size, targets] = [BRACKETS, 0];
    for (const event of this.buffered) {
      size += event.bytes + COMMA;
      targets += event.targets;
      const fits = batch.length < events && size <= bytes && targets <= MAX_BATCH_TARGETS;
      if (batch.length > 0 && !fits) break;
      batch.push(event);
    }
    return batch;
  }

  /** All events, the oldest first. */
  *[Symbol.iterator](): Generator<BufferedEvent> {
    yield* this.buffered;
    yield* this.waiting;
  }

  private hasRoomFor({ bytes }: BufferedEvent): boolean {
    return this.buffered.size < this.limits.events && this.bytes + bytes <= this.limits.bytes;
  }

  private keep(event: BufferedEvent): void {
    this.buffered.add(event);
    this.bytes += event.bytes;
  }

  private fill(): void {
    for (const event of this.waiting) {
      if (!this.hasRoomFor(event)) return;
      this.waiting.delete(event);
      this.keep(event);
    }
  }
}
