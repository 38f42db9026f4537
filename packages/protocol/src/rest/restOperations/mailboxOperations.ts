import { mailboxSchema } from '../../schemas/userReplies.js';
import { REST_BASE } from '../rest.js';
import type { RestOperation } from '../restOperation.js';
import { userIdParams } from '../restOperationParts.js';

/** The mailboxes of users. */
export const mailboxOperations = {
  getMailbox: {
    method: 'get',
    path: `${REST_BASE}/users/{user_id}/mailbox`,
    tag: 'users',
    summary: 'Shows the mailbox of a user',
    description: 'Events and fields that the caller may not see are withheld.',
    permissions: ['admin:connections'],
    params: userIdParams,
    answers: { 200: { meaning: 'the mailbox; also for a user who has none', schema: mailboxSchema } },
    example: { params: { user_id: 'user-1' } },
  },
} as const satisfies Readonly<Record<string, RestOperation>>;
