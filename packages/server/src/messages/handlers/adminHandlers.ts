import type { Announcements } from '../../admin/events/announcements.js';
import type { Publications } from '../../admin/events/publications.js';
import type { Disconnects } from '../../admin/users/disconnects.js';
import { isUserId } from '../../events/event/storedEvent.js';
import { AppError } from '../../util/appError.js';
import { actorOf, authorOf } from '../actor.js';
import type { Handlers } from '../dispatcher.js';
import { Turns } from '../pipeline.js';

export interface AdminHandlerParts {
  readonly disconnects: Disconnects;
  readonly announcements: Announcements;
  readonly publications: Pick<Publications, 'publish'>;
}

type AdminMessage = 'disconnect_user' | 'publish_event' | 'broadcast_admin_message';

export function adminHandlers(parts: AdminHandlerParts): Pick<Handlers, AdminMessage> {
  const turns = new Turns();
  return {
    disconnect_user: (connection, { user_id, reason, ban_seconds }) => {
      // The schema counts characters and accepts lone surrogates, which cannot be part of a key.
      if (!isUserId(user_id)) {
        throw new AppError('VALIDATION_ERROR', 'The data of disconnect_user is not valid.', {
          details: { errors: [{ path: '/user_id', message: 'is not a user id of 1 to 128 bytes' }] },
        });
      }
      return parts.disconnects.disconnect(
        {
          userId: user_id,
          ...(reason === undefined ? {} : { reason }),
          ...(ban_seconds === undefined ? {} : { banSeconds: ban_seconds }),
        },
        actorOf(connection),
      );
    },
    publish_event: async (connection, request) => {
      const turn = turns.take(connection);
      const [receipt] = await parts.publications.publish(request, authorOf(connection), turn);
      if (!receipt) throw new Error('a publish of one event gave no receipt');
      return {
        event_id: receipt.eventId,
        queue: receipt.queue,
        duplicate: receipt.duplicate,
        payload_differs: receipt.payloadDiffers,
      };
    },
    broadcast_admin_message: (connection, announcement) => parts.announcements.send(announcement, authorOf(connection)),
  };
}
