import type { Clock } from '../../util/clock.js';
import { Tally } from '../../util/tally.js';
import type { EventCatalogue } from '../catalogue/eventCatalogue.js';
import type { StoredEvent } from '../event/storedEvent.js';
import type { AppendResult } from '../log/broadcastLog.js';
import type { LaneState } from '../log/idleAppender.js';

const MINUTE_MS = 60_000;

interface Window {
  readonly minute: number;
  count: number;
}

/**
 * Counts durable events over their type's `rate` (events per minute). Counting is all: a durable event is never dropped for its
 * rate. Counted where they are appended; all events of one ordering key are appended by one node, so a type without keys is
 * counted whole.
 */
export class TypeRates {
  /** Events over the rate, by type. */
  readonly over = new Tally();
  private readonly catalogue: () => EventCatalogue;
  private readonly clock: Pick<Clock, 'mono'>;
  private readonly windows = new Map<string, Window>();

  constructor(catalogue: () => EventCatalogue, clock: Pick<Clock, 'mono'>) {
    this.catalogue = catalogue;
    this.clock = clock;
  }

  /** Counts what an append really added, and passes its result on. */
  async counted<R extends Pick<AppendResult, 'offsets'> | LaneState>(
    events: readonly StoredEvent[],
    appended: Promise<R>,
  ): Promise<R> {
    const result = await appended;
    if (typeof result === 'string') return result;
    const minute = Math.floor(this.clock.mono() / MINUTE_MS);
    for (const [index, { type }] of events.entries()) {
      if ((result.offsets[index] ?? 0) > 0) this.add(type, minute);
    }
    return result;
  }

  private add(type: string, minute: number): void {
    const rate = this.catalogue().get(type)?.rate;
    // Types with a rate alone are kept: as many as the catalogue has.
    if (rate === undefined) return;
    let window = this.windows.get(type);
    if (window?.minute !== minute) {
      window = { minute, count: 0 };
      this.windows.set(type, window);
    }
    window.count += 1;
    if (window.count > rate) this.over.add(type);
  }
}
