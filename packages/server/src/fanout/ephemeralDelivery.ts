import type { EventCatalogue } from '../events/catalogue.js';
import { admits, type Clearance, hiddenFields } from './clearance.js';
import type { Cohort, Cohorts } from './cohort.js';
import { type EphemeralItem, frameOfItem } from './ephemeral.js';
import { type Recipient, wants } from './wants.js';

/** A connection that ephemeral events are written to by itself. */
export interface EphemeralReceiver extends Recipient {
  write(frames: Buffer): void;
}

export interface EphemeralDeliveryParts {
  readonly catalogue: () => EventCatalogue;
  readonly cohorts: Cohorts;
  /** The connections of a user that are delivered to. */
  readonly ofUser: (userId: string) => Iterable<EphemeralReceiver>;
}

/** Brings ephemeral events to the connections: with the flush of their cohorts, or singly. */
export class EphemeralDelivery {
  readonly counts = {
    /** Events times connections. */
    delivered: 0,
    /** Targeted events that found nobody here: the user moved, closed or does not want them. */
    missed: 0,
  };
  private readonly parts: EphemeralDeliveryParts;

  constructor(parts: EphemeralDeliveryParts) {
    this.parts = parts;
  }

  /** Appends the broadcast ones to the run of each cohort that is to have them, after what is durable. */
  build(items: readonly EphemeralItem[], touched: Set<Cohort>): void {
    const catalogue = this.parts.catalogue();
    for (const item of items) {
      const definition = catalogue.get(item.event.type);
      if (item.user !== null || !definition) continue;
      for (const cohort of this.parts.cohorts.subscribedTo(item.event.type)) {
        if (!admits(cohort.clearance, item.event, definition)) continue;
        cohort.run.push(frameOfItem(item, hiddenFields(cohort.clearance, definition)));
        touched.add(cohort);
      }
    }
  }

  /** The targeted ones, to their users. */
  toUsers(items: readonly EphemeralItem[]): void {
    for (const item of items) {
      if (item.user === null) continue;
      let reached = false;
      for (const receiver of this.parts.ofUser(item.user)) if (this.toOne([item], receiver) > 0) reached = true;
      if (!reached) this.counts.missed += 1;
    }
  }

  /** Those of the items that the connection wants, in one write. Returns how many. */
  toOne(items: readonly EphemeralItem[], receiver: EphemeralReceiver): number {
    const catalogue = this.parts.catalogue();
    const frames: Buffer[] = [];
    for (const item of items) {
      const definition = catalogue.get(item.event.type);
      if (!definition || !wants(receiver, item.event, definition)) continue;
      frames.push(frameOfItem(item, hiddenFields(receiver.clearance as Clearance, definition)));
    }
    if (frames.length > 0) receiver.write(frames.length === 1 ? (frames[0] as Buffer) : Buffer.concat(frames));
    this.counts.delivered += frames.length;
    return frames.length;
  }
}
