import { parsePosition } from '@unified-ws/protocol';
import type { Acks } from '../../delivery/user/acks.js';
import { AppError } from '../../util/appError.js';
import type { Handlers } from '../dispatcher.js';

/** `ack`: the client has received its mailbox up to a position (L8). */
export function ackHandlers(acks: Pick<Acks, 'take'>): Pick<Handlers, 'ack'> {
  return {
    ack: (connection, { user }) => {
      const position = parsePosition(user);
      if (position === null) {
        throw new AppError('VALIDATION_ERROR', 'The data of ack is not valid.', {
          details: { errors: [{ path: '/user', message: 'is not a position' }] },
        });
      }
      acks.take(connection, position);
      return undefined;
    },
  };
}
