import { parsePosition, type ResumeResult, type ServerData } from '@unified-ws/protocol';
import type { MailBatch } from '../../bus/busMessages.js';
import type { Core } from '../../core.js';
import type { EventCatalogue } from '../../events/catalogue/eventCatalogue.js';
import type { StoredEvent } from '../../events/event/storedEvent.js';
import type { Mailboxes, MailboxPage } from '../../events/mailbox/mailboxes.js';
import { resumeMailbox, tagAt } from '../../events/mailbox/resumeMailbox.js';
import type { ClaimedMailbox, MailboxHead } from '../../registry/store/registryTypes.js';
import type { Clock } from '../../util/clock.js';
import type { Compression } from '../frames/compression.js';
import { type DeliveredEntry, eventFrame } from '../frames/eventFrame.js';
import { hiddenFields } from '../selection/clearances.js';
import { isRecipient, type Recipient } from '../selection/isRecipient.js';
import { MailboxPosition } from './mailboxPosition.js';
import { MailReaders } from './mailReaders.js';

/** A connection as the user scope sees it. */
export interface MailRecipient extends Recipient {
  /** `open` alone is delivered to. */
  readonly status: string;
  /** Whether it takes compressed messages. */
  readonly compress: boolean;
  /** The position of the mailbox that the client gave. */
  readonly resume: { readonly user: string | null };
  /** Null while its user has no mailbox. */
  mail: MailboxPosition | null;
  isOpen(): boolean;
  /** Its peer takes less than it is sent: what comes is left in the mailbox, and `wake` is called when it emptied. */
  isCongested(): boolean;
  write(frames: Buffer): void;
  send(type: 'gap', data: ServerData<'gap'>): void;
}

export interface UserScopeParts extends Pick<Core, 'clock' | 'report'> {
  readonly mailboxes: Pick<Mailboxes, 'read'>;
  readonly catalogue: () => EventCatalogue;
  readonly clusterTime: Pick<Clock, 'now'>;
  readonly compression: Compression;
  /** The connections of a user on this node, those that are still claiming included. */
  readonly ofUser: (userId: string) => Iterable<MailRecipient>;
  /** The right to deliver (C6). */
  readonly mayDeliver: () => boolean;
}

/** Entries of one read. */
const PAGE = 50;
/** Bytes handed to a socket before it is asked again whether it takes more. */
const WRITE_BYTES = 64 * 1024;

/**
 * Delivers each user's mailbox to his connection: replay, and what comes live, without a hole and without a repeat (L3). From
 * before the claim on, a live message only raises the head that the connection is to reach; the mailbox is read until the position is
 * there, and in the same tick live messages are taken as they come.
 */
export class UserScope {
  /** Counters since the start, read by the metrics. */
  readonly counts = {
    /** Events written. */
    deliveries: 0,
    /** Events that a connection was not subscribed to, or may not see. */
    unwanted: 0,
    /** Live batches that did not continue the position, so that the mailbox was read. */
    holes: 0,
    /** Pages read from mailboxes. */
    reads: 0,
    gaps: 0,
  };
  private readonly parts: UserScopeParts;
  private readonly readers: MailReaders<MailRecipient>;

  constructor(parts: UserScopeParts) {
    this.parts = parts;
    const { mayDeliver, report } = parts;
    this.readers = new MailReaders({ read: (one) => this.read(one), mayRead: mayDeliver, report });
  }

  /** Connections that are behind their mailbox. */
  get waiting(): number {
    return this.readers.waiting;
  }

  /** The claim is held: sets the position that connection_established tells. What becomes of the position that the client gave (L8). */
  claimed(connection: MailRecipient, mailbox: ClaimedMailbox | null): ResumeResult {
    const given = connection.resume.user === null ? null : parsePosition(connection.resume.user);
    const { result, from } = resumeMailbox(given, mailbox);
    // Heard since the connection is in the table. Without a mailbox when it claimed, it is the beginning of one.
    const heard = connection.mail;
    if (from === null || mailbox === null) return result;
    connection.mail = new MailboxPosition(from, mailbox.offset);
    if (heard) connection.mail.raise(heard.epoch, heard.head);
    return result;
  }

  /** connection_established was written, or the connection is current again: what is known to be missing follows, then what comes. */
  start(connection: MailRecipient): void {
    if (connection.mail?.wanting) this.catchUp(connection, connection.mail);
  }

  /** The socket emptied. */
  wake(connection: MailRecipient): void {
    this.start(connection);
  }

  /** This node serves again. */
  resume(): void {
    this.readers.resume();
  }

  stop(): void {
    this.readers.stop();
  }

  /** Entries that were appended to the mailbox of a user who is, or was, connected here. */
  receive(batch: MailBatch): void {
    for (const connection of this.parts.ofUser(batch.user)) this.hear(connection, batch);
  }

  /** The head of the mailbox, as the registry was read (L4). It may be older than what was delivered meanwhile. */
  observe(connection: MailRecipient, head: MailboxHead | null): void {
    const position = connection.mail;
    if (position === null) {
      if (head === null) return;
      connection.mail = new MailboxPosition({ epoch: head.epoch, offset: 0, tag: '' }, head.offset);
    } else if (head === null || head.epoch !== position.epoch || head.offset < position.offset) {
      position.doubt = true;
    } else if (head.offset === position.offset && head.tag !== position.tag) {
      position.doubt = true;
    } else {
      position.raise(head.epoch, head.offset);
    }
    this.start(connection);
  }

  /** The position for a heartbeat; null when the client knows it already. */
  unreportedPosition({ mail }: MailRecipient): string | null {
    if (mail === null || mail.reported === mail.offset) return null;
    mail.reported = mail.offset;
    return mail.text;
  }

  private hear(connection: MailRecipient, batch: MailBatch): void {
    connection.mail ??= new MailboxPosition({ epoch: batch.epoch, offset: 0, tag: '' }, 0);
    const position = connection.mail;
    const live = !position.behind && isReady(connection) && this.parts.mayDeliver();
    const next = live ? continuation(position, batch) : -1;
    if (next < 0) {
      position.raise(batch.epoch, batch.head);
      if (next === TORN) position.doubt = true;
      if (live && position.wanting) this.counts.holes += 1;
    } else {
      const entries = batch.events.slice(next).map(([tag, event], index) => {
        return { offset: batch.first + next + index, tag, event: event as StoredEvent };
      });
      this.deliver(connection, position, entries);
      position.raise(batch.epoch, batch.head);
    }
    if (connection.status === 'open' && position.wanting) this.catchUp(connection, position);
  }

  private catchUp(connection: MailRecipient, position: MailboxPosition): void {
    if (position.behind || connection.status !== 'open') return;
    position.behind = true;
    this.readers.add(connection);
  }

  private async read(connection: MailRecipient): Promise<'more' | 'later' | 'done'> {
    const position = connection.mail;
    if (position === null || !connection.isOpen()) return 'done';
    if (!isReady(connection)) return leave(position);
    // What is heard from here on may be later than what is read.
    position.doubt = false;
    position.head = position.offset;
    let page: MailboxPage | null | undefined;
    try {
      page = await this.parts.mailboxes.read(connection.userId, Math.max(1, position.offset), PAGE + 1);
    } finally {
      if (page === undefined) position.doubt = true;
    }
    if (!connection.isOpen()) return 'done';
    if (!isReady(connection)) return leave(position);
    if (!this.parts.mayDeliver()) {
      position.doubt = true;
      return 'later';
    }
    this.counts.reads += 1;
    const before = position.offset;
    this.take(connection, position, page);
    if (!position.wanting) {
      position.behind = false;
      return 'done';
    }
    // Without a step ahead its rate is used up.
    return position.doubt || position.offset > before ? 'more' : 'later';
  }

  /** Delivers what was read, and tells what is not there any more. */
  private take(connection: MailRecipient, position: MailboxPosition, page: MailboxPage | null): void {
    if (page === null) {
      this.forget(connection, position);
      return;
    }
    const known = page.entries[0]?.offset === position.offset ? page.entries[0].tag : tagAt(position.offset, page);
    const wentBack = position.offset > page.offset || (known !== null && known !== position.tag);
    if (page.epoch !== position.epoch || wentBack) {
      // Emptied, or gone back by a fail-over (L1). Nobody can say which of its entries are new, so all that are not
      // acknowledged are delivered: a repeat is told by its id, an event that is left out by nothing.
      const isNew = position.epoch === '';
      const from = position.text;
      position.moveTo({ epoch: page.epoch, offset: page.acked, tag: page.ackedTag });
      position.doubt = true;
      if (!isNew) this.gap(connection, from, position.text, 'log_reset');
      return;
    }
    const entries = page.entries.filter(({ offset }) => offset > position.offset);
    const [first] = entries;
    const from = position.text;
    if (first === undefined) {
      if (page.offset > position.offset) {
        position.moveTo(page);
        this.gap(connection, from, position.text, 'trimmed');
      }
    } else {
      if (first.offset > position.offset + 1) {
        const to = new MailboxPosition({ ...first, epoch: page.epoch }, 0).text;
        position.moveTo({ epoch: page.epoch, offset: first.offset - 1, tag: page.floorTag });
        this.gap(connection, from, to, 'trimmed');
      }
      this.deliver(connection, position, entries);
    }
    position.raise(page.epoch, page.offset);
  }

  /** There is no mailbox: it never was, or Redis lost it. */
  private forget(connection: MailRecipient, position: MailboxPosition): void {
    if (position.epoch !== '') this.gap(connection, position.text, null, 'log_reset');
    if (position.doubt) {
      // Heard of a new one meanwhile.
      position.moveTo({ epoch: '', offset: 0, tag: '' });
      return;
    }
    connection.mail = null;
    position.head = position.offset;
  }

  /** Writes entries that follow the position, as far as socket and rate take them; what is not wanted is passed over. */
  private deliver(connection: MailRecipient, position: MailboxPosition, entries: readonly DeliveredEntry[]): void {
    const { individual } = connection;
    const limit = individual?.batch === false ? 1 : WRITE_BYTES;
    let frames: Buffer[] = [];
    let bytes = 0;
    const write = (): void => {
      if (frames.length === 0) return;
      connection.write(frames.length === 1 ? (frames[0] as Buffer) : Buffer.concat(frames, bytes));
      this.counts.deliveries += frames.length;
      position.wrote(frames.length, this.parts.clusterTime.now());
      frames = [];
      bytes = 0;
    };
    for (const entry of entries) {
      const frame = this.frameFor(connection, entry, position.epoch);
      if (frame !== null && individual?.limit && !individual.limit.take(this.parts.clock.mono())) break;
      position.offset = entry.offset;
      position.tag = entry.tag;
      if (frame === null) {
        this.counts.unwanted += 1;
        continue;
      }
      position.reported = entry.offset;
      frames.push(frame);
      bytes += frame.length;
      if (bytes < limit) continue;
      write();
      if (!connection.isOpen() || connection.isCongested()) break;
    }
    write();
  }

  /** Null: it is not to have this event. */
  private frameFor(connection: MailRecipient, entry: DeliveredEntry, epoch: string): Buffer | null {
    const definition = this.parts.catalogue().get(entry.event.type);
    if (!definition || connection.clearance === null || !isRecipient(connection, entry.event, definition)) return null;
    const frame = eventFrame(entry, hiddenFields(connection.clearance, definition), epoch, 'user');
    return connection.compress ? this.parts.compression.frame(frame) : frame;
  }

  private gap(
    connection: MailRecipient,
    from: string | null,
    to: string | null,
    reason: ServerData<'gap'>['reason'],
  ): void {
    this.counts.gaps += 1;
    connection.send('gap', { scope: 'user', from, to, reason });
  }
}

/** Whether it can be written to. */
function isReady(connection: MailRecipient): boolean {
  return connection.status === 'open' && !connection.isCongested();
}

/** Suspended, or its peer does not keep up: it is read for anew when that is over. */
function leave(position: MailboxPosition): 'done' {
  position.behind = false;
  position.doubt = true;
  return 'done';
}

/** A batch that does not continue the position: it is old, or something before it is missing. */
const OTHER = -1;
/** One that contradicts the position: the mailbox is another one, or went back (L1). */
const TORN = -2;

/** Index of the first event of the batch that follows the position, or OTHER, or TORN. */
function continuation(position: MailboxPosition, { epoch, first, prev_tag, events }: MailBatch): number {
  if (epoch !== position.epoch) return TORN;
  const at = position.offset - first;
  if (at < -1 || events.length === 0) return OTHER;
  if (at === -1) return prev_tag === position.tag ? 0 : TORN;
  if (at >= events.length) return OTHER;
  if (events[at]?.[0] !== position.tag) return TORN;
  return at === events.length - 1 ? OTHER : at + 1;
}
