import type { ClientData, PublishRequest, ServerData } from '@unified-ws/protocol';
import type { NodeParts } from '../nodeParts.js';
import type { Author, Publications } from './publications.js';

/** The event type of an announcement: subscribed by default in every role. */
const ANNOUNCEMENT = 'admin_broadcast';

/** Announcements of admins to everybody. Sender and time are filled in, as in every event of the type. */
export class Announcements {
  constructor(private readonly parts: Pick<NodeParts, 'catalogue'> & { readonly publications: Publications }) {}

  /**
   * Resolves when the announcement is in the queue.
   *
   * @throws AppError as `Publisher.publish`: nothing was announced, except that after UNAVAILABLE it is unknown.
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
