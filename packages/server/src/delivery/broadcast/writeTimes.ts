import type { EventCatalogue } from '../../events/catalogue/eventCatalogue.js';
import { isRecipient, type Recipient } from '../selection/isRecipient.js';
import type { LogPosition } from './logPosition.js';
import type { RecentEvents } from './recentEvents.js';

/** Writes are remembered for this long, ms: longer than a lease, the replace time-out and a stop of the machine in between. */
const KEPT_MS = 300_000;
/** At most so many; of more every second one is forgotten, so that a time stands for those shortly after it. */
const MAX_KEPT = 4096;

/** When a position reached which offset, by cluster time: to tell what was written after some moment. */
export class WriteTimes {
  private times: { readonly time: number; readonly from: number }[] = [];

  /** @param from the offset before the first of the entries that were written at that time (ms). */
  add(time: number, from: number): void {
    this.times.push({ time, from });
    if (this.times.length <= MAX_KEPT) return;
    const kept = this.times.filter((one, index) => index % 2 === 0 && time - one.time < KEPT_MS);
    this.times = kept;
  }

  /** Events that were written to a recipient after `since`, up to its position, as far as the recent events tell. */
  eventsOf(
    who: Recipient,
    since: number,
    position: LogPosition,
    recentEvents: RecentEvents,
    catalogue: EventCatalogue,
  ): number {
    const from = this.offsetAt(since);
    if (from === null) return 0;
    let events = 0;
    for (let offset = Math.max(from + 1, recentEvents.oldest); offset <= position.offset; offset += 1) {
      const event = recentEvents.get(offset)?.event;
      const definition = event && catalogue.get(event.type);
      if (event && definition && isRecipient(who, event, definition)) events += 1;
    }
    return events;
  }

  /** All that was written after `since` lies behind this offset; null: nothing was. */
  private offsetAt(since: number): number | null {
    let found: number | null = null;
    for (let index = this.times.length - 1; index >= 0; index -= 1) {
      const one = this.times[index];
      if (one === undefined || one.time <= since) break;
      found = one.from;
    }
    return found;
  }

  clear(): void {
    this.times = [];
  }
}
