import type { AppendResult, BroadcastLog } from './log.js';
import type { Mailboxes } from './mailbox.js';
import type { StoredEvent } from './storedEvent.js';

export interface AppenderParts {
  readonly log: Pick<BroadcastLog, 'append'>;
  readonly mailboxes: Pick<Mailboxes, 'append'>;
}

/** Where the workers bring the events of their jobs: broadcast ones to the log, targeted ones to each target's mailbox. */
export class Appender {
  private readonly parts: AppenderParts;

  constructor(parts: AppenderParts) {
    this.parts = parts;
  }

  /**
   * Appends in order per scope and user. Resolves when the log and every mailbox have answered; each append is idempotent, so a
   * call that failed, or whose worker died half-way, is repeated as a whole (L2).
   *
   * @returns per event an offset: in the log, or the highest one of its mailboxes; 0 when it had been appended everywhere before.
   */
  async append(events: readonly StoredEvent[]): Promise<AppendResult> {
    const broadcast: StoredEvent[] = [];
    const places: number[] = [];
    const byUser = new Map<string, { readonly mail: StoredEvent[]; readonly places: number[] }>();
    for (const [place, event] of events.entries()) {
      const { target_user_ids: targets, ...mail } = event;
      if (targets === undefined) {
        broadcast.push(event);
        places.push(place);
        continue;
      }
      for (const userId of new Set(targets)) {
        const known = byUser.get(userId);
        if (known) {
          known.mail.push(mail);
          known.places.push(place);
        } else byUser.set(userId, { mail: [mail], places: [place] });
      }
    }
    if (byUser.size === 0) return this.parts.log.append(events);
    const offsets = new Array<number>(events.length).fill(0);
    const store = (at: readonly number[], given: readonly number[]): void => {
      for (const [index, place] of at.entries()) offsets[place] = Math.max(offsets[place] ?? 0, given[index] ?? 0);
    };
    const logged = broadcast.length === 0 ? null : this.parts.log.append(broadcast);
    const mailed = [...byUser].map(async ([userId, { mail, places: at }]) => {
      store(at, await this.parts.mailboxes.append(userId, mail));
    });
    const [result] = await Promise.all([logged, ...mailed]);
    if (result) store(places, result.offsets);
    return { epoch: result?.epoch ?? '', offsets };
  }
}
