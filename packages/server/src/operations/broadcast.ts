import type { ClientData, PublishRequest, ServerData } from '@unified-ws/protocol';
import type { Clock } from '../clock.js';
import type { EventCatalogue } from '../events/catalogue.js';
import type { Publisher, PublishReceipt } from '../events/publish.js';
import type { Actor, Audit } from './audit.js';

/** The event type of an announcement: subscribed by default in every role. */
const ANNOUNCEMENT = 'admin_broadcast';
/** Characters of the message that go into the audit record; the event holds it all. */
const AUDITED_LENGTH = 200;

export interface AnnouncementsParts {
  readonly publisher: Pick<Publisher, 'publish'>;
  readonly catalogue: () => EventCatalogue;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly onPublished: (receipt: PublishReceipt) => void;
}

/** Who announces. */
export interface Announcer {
  readonly actor: Actor;
  readonly username: string;
  readonly permissions: ReadonlySet<string>;
}

/** What admins tell everybody. */
export class Announcements {
  private readonly parts: AnnouncementsParts;

  constructor(parts: AnnouncementsParts) {
    this.parts = parts;
  }

  /**
   * Resolves when the announcement is in the queue.
   *
   * @throws AppError as `Publisher.publish`: nothing was announced then, but for UNAVAILABLE, when it may have been.
   */
  async send(
    { message, priority }: ClientData<'broadcast_admin_message'>,
    { actor, username, permissions }: Announcer,
  ): Promise<ServerData<'admin_broadcast_sent'>> {
    const { publisher, catalogue, audit, clock, onPublished } = this.parts;
    const sentAt = new Date(clock.now()).toISOString();
    const event: PublishRequest = {
      event_type: ANNOUNCEMENT,
      data: { message, from_admin: username, broadcast_time: sentAt },
      ...(priority === undefined ? {} : { priority }),
    };
    const [receipt] = await publisher.publish(event, { userId: actor.userId, permissions });
    if (!receipt) throw new Error('a publish of one event gave no receipt');
    onPublished(receipt);
    audit.write(actor, {
      action: 'broadcast',
      target: 'everybody',
      reason: message.slice(0, AUDITED_LENGTH),
      result: receipt.eventId,
    });
    const given = priority ?? catalogue().get(ANNOUNCEMENT)?.priority ?? 'normal';
    return { event_id: receipt.eventId, message, priority: given, sent_at: sentAt };
  }
}
