import { jsonBytesAtMost, type StoredEvent } from '../event/storedEvent.js';
import type { Mailboxes } from '../mailbox/mailboxes.js';
import { AppendedPlaces } from './appendedPlaces.js';
import type { AppendResult, BroadcastLog } from './broadcastLog.js';

/**
 * What is under way to the mailboxes at a time, characters at most, and so many calls in any case. A job may have 1 MiB of events
 * for 1,000 users each: sent at once, that took 3 GB of memory, and the node's lease waited behind it until the node was fenced.
 */
const MAX_UNDER_WAY = 4 * 1024 * 1024;
const MIN_CALLS = 4;
/** Events times mailboxes under way: Redis works for 10 µs on each, and whatever else this node asks of it comes after. */
const MAX_MAILS = 2000;

/** The events of a job for one user, and their places in the job. */
interface Mails {
  readonly mail: StoredEvent[];
  readonly places: number[];
}

/** Where the workers bring the events of their jobs: broadcast ones to the log, targeted ones to each target's mailbox. */
export class Appender {
  private readonly log: Pick<BroadcastLog, 'append'>;
  private readonly mailboxes: Pick<Mailboxes, 'append'>;

  constructor(log: Pick<BroadcastLog, 'append'>, mailboxes: Pick<Mailboxes, 'append'>) {
    this.log = log;
    this.mailboxes = mailboxes;
  }

  /**
   * Appends in order per scope and user. Resolves when the log and every mailbox have answered; each append is idempotent, so a
   * call that failed, or whose worker died half-way, is repeated as a whole (L2).
   *
   * @returns per event an offset: in the log, or the highest one of its mailboxes; 0 when it had been appended everywhere before.
   */
  async append(events: readonly StoredEvent[]): Promise<AppendResult> {
    const broadcast: StoredEvent[] = [];
    const at: number[] = [];
    const byUser = new Map<string, Mails>();
    for (const [place, event] of events.entries()) {
      const { target_user_ids: targets, ...mail } = event;
      if (targets === undefined) {
        broadcast.push(event);
        at.push(place);
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
    if (byUser.size === 0) return this.log.append(events);
    const places = new AppendedPlaces(events);
    const logged = broadcast.length === 0 ? null : this.log.append(broadcast);
    const [result] = await Promise.all([logged, this.mail(byUser, places)]);
    if (result) places.addLogged(at, result);
    return places.result(result?.epoch ?? '');
  }

  /** One call per user, a bounded part of them at a time. After a failure no more are begun: the job is repeated as a whole. */
  private async mail(byUser: ReadonlyMap<string, Mails>, appended: AppendedPlaces): Promise<void> {
    const sizes = new Map<StoredEvent, number>();
    const sizeOf = (event: StoredEvent): number => {
      const known = sizes.get(event) ?? jsonBytesAtMost(event);
      sizes.set(event, known);
      return known;
    };
    const running = new Set<Promise<void>>();
    let bytes = 0;
    let mails = 0;
    for (const [userId, { mail, places }] of byUser) {
      const size = mail.reduce((sum, event) => sum + sizeOf(event), 0);
      const fits = (): boolean => bytes + size <= MAX_UNDER_WAY && mails + mail.length <= MAX_MAILS;
      while (running.size >= MIN_CALLS && !fits()) await Promise.race(running);
      bytes += size;
      mails += mail.length;
      const call = this.mailboxes.append(userId, mail).then((positions) => {
        running.delete(call);
        bytes -= size;
        mails -= mail.length;
        appended.addMailed(userId, places, positions);
      });
      running.add(call);
    }
    await Promise.all(running);
  }
}
