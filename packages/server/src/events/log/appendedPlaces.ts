import { type EventPosition, MAX_RECORDED_USERS } from '../event/eventPosition.js';
import type { StoredEvent } from '../event/storedEvent.js';
import type { MailPositions } from '../mailbox/mailboxes.js';
import type { AppendResult } from './broadcastLog.js';

/** Gathers where the events of one append went, by their places in it. */
export class AppendedPlaces {
  private readonly events: readonly StoredEvent[];
  private readonly offsets: number[];
  private readonly positions: EventPosition[][];

  constructor(events: readonly StoredEvent[]) {
    this.events = events;
    this.offsets = new Array<number>(events.length).fill(0);
    this.positions = events.map(() => []);
  }

  /** @param at places of the events that the log was given. */
  addLogged(at: readonly number[], { positions }: AppendResult): void {
    for (const [index, place] of at.entries()) for (const position of positions[index] ?? []) this.add(place, position);
  }

  /** @param at places of the events that the mailbox was given. */
  addMailed(userId: string, at: readonly number[], positions: MailPositions): void {
    for (const [index, place] of at.entries()) {
      const position = positions[index] ?? null;
      if (position !== null) this.add(place, { userId, ...position });
    }
  }

  result(epoch: string): AppendResult {
    return { epoch, offsets: this.offsets, positions: this.positions };
  }

  private add(place: number, position: EventPosition): void {
    this.offsets[place] = Math.max(this.offsets[place] ?? 0, position.offset);
    const { target_user_ids: targets = [] } = this.events[place] ?? {};
    // Of an event for many users the first ones are recorded, whoever answers first.
    const { userId } = position;
    if (
      userId !== null &&
      targets.length > MAX_RECORDED_USERS &&
      !targets.slice(0, MAX_RECORDED_USERS).includes(userId)
    )
      return;
    this.positions[place]?.push(position);
  }
}
