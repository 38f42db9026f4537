import type { ClientData, PublishRequest, ServerData } from '@unified-ws/protocol';
import type { EventCatalogue } from '../../events/catalogue/eventCatalogue.js';
import type { Author, Publications } from './publications.js';

/** The event type of an announcement: subscribed by default in every role. */
const ANNOUNCEMENT = 'admin_broadcast';

export interface AnnouncementsParts {
  readonly publications: Pick<Publications, 'publish'>;
  readonly catalogue: () => EventCatalogue;
}

/** What admins tell everybody. Who says so, and when, is filled in as in every event of the type. */
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
    { message, priority, reason }: ClientData<'broadcast_admin_message'>,
    author: Author,
  ): Promise<ServerData<'admin_broadcast_sent'>> {
    const { publications, catalogue } = this.parts;
    const event: PublishRequest = {
      event_type: ANNOUNCEMENT,
      data: { message },
      ...(priority === undefined ? {} : { priority }),
    };
    const [receipt] = await publications.publish(event, author, undefined, reason);
    if (!receipt) throw new Error('a publish of one event gave no receipt');
    const given = priority ?? catalogue().get(ANNOUNCEMENT)?.priority ?? 'normal';
    return { event_id: receipt.eventId, message, priority: given, sent_at: receipt.acceptedAt };
  }
}
