import { PRIORITIES, SEVERITIES } from '../events/catalogue.js';
import { PERMISSION_CHANGE_RESULTS, REVOKE_RESULTS } from '../rest/rest.js';
import { CONNECTION_STATUSES, healthReasonsSchema } from './connections.js';
import type { FromSchema } from './schema.js';
import {
  count,
  countOrNull,
  flag,
  flagOrNull,
  listOf,
  text,
  textOrNull,
  texts,
  textsOrNull,
  time,
  timeOrNull,
  whole,
} from './schemaParts.js';

/** Facts that only the node of the connection knows. */
const live = {
  status: { enum: [...CONNECTION_STATUSES, null] },
  is_healthy: flagOrNull,
  health_reasons: { ...healthReasonsSchema, type: ['array', 'null'] },
  subscriptions: textsOrNull,
  permissions: textsOrNull,
  message_count: { ...countOrNull, description: 'messages received from the client' },
  error_count: { ...countOrNull, description: 'errors that were sent to the client' },
  consecutive_errors: countOrNull,
  buffered_bytes: countOrNull,
  last_activity: timeOrNull,
  last_ping: timeOrNull,
  last_pong: timeOrNull,
  expires_at: { ...timeOrNull, description: 'when the token expires, or stopped being valid by order' },
} as const;

const connection = {
  user_id: text,
  username: textOrNull,
  roles: texts,
  is_admin: flag,
  ip: textOrNull,
  connected_at: timeOrNull,
  connection_id: text,
  node_id: text,
  fence: count,
  node_reachable: {
    ...flag,
    description: 'false: the node did not answer in time. Only the fields that the registry knows are filled in',
  },
  ...live,
} as const;

/** One user's connection. */
const connectionReportSchema = whole(connection);
export type ConnectionReport = FromSchema<typeof connectionReportSchema>;

const banSchema = {
  ...whole({ until: { ...timeOrNull, description: 'null: no end' }, reason: text }),
  type: ['object', 'null'],
  description: 'null: not banned',
} as const;

/** Answer of `GET /user/:user_id`. */
export const userReportSchema = whole({ ...connection, ban: banSchema });

/** Answer of `POST /users/:user_id/revoke`. */
export const revokedSchema = whole({
  user_id: text,
  result: { enum: REVOKE_RESULTS },
  node_id: textOrNull,
  before: { ...timeOrNull, description: 'tokens issued before are revoked; null: only a session was revoked' },
  session: textOrNull,
  took_ms: { ...count, description: 'time until no connection with such a token was served' },
});
export type RevokeOutcome = FromSchema<typeof revokedSchema>;

/** Answer of `DELETE /users/:user_id/ban`. */
export const banLiftedSchema = whole({ user_id: text, result: { enum: ['lifted', 'not_banned'] } });
export type LiftOutcome = FromSchema<typeof banLiftedSchema>;

/** Answer of `POST /users/:user_id/permissions-changed`. */
export const permissionsChangedSchema = whole({
  user_id: text,
  result: { enum: PERMISSION_CHANGE_RESULTS },
  node_id: textOrNull,
  as_of: { ...time, description: 'tokens issued from then on are accepted' },
  renew_by: {
    ...timeOrNull,
    description: 'when a connection without a newer token is closed; null: no newer token is required',
  },
  took_ms: count,
});
export type PermissionOutcome = FromSchema<typeof permissionsChangedSchema>;

const mailboxEvent = {
  type: 'object',
  properties: {
    id: text,
    type: text,
    data: {
      type: ['object', 'null'],
      description: 'without the fields that the caller may not see; null: the caller may not see this event',
    },
    timestamp: time,
    priority: { enum: PRIORITIES },
    category: text,
    severity: { enum: SEVERITIES },
    metadata: { type: 'object' },
    roles: texts,
    permission: text,
    exclude: texts,
    expires_at: time,
  },
  required: ['id', 'type', 'data', 'timestamp', 'priority', 'category', 'severity'],
} as const;

/** Answer of `GET /users/:user_id/mailbox`. */
export const mailboxSchema = whole({
  user_id: text,
  epoch: { ...textOrNull, description: 'null: the user has no mailbox' },
  head: { ...textOrNull, description: 'position of the newest entry' },
  acked: { ...textOrNull, description: 'position up to which the user acknowledged' },
  waiting: { ...count, description: 'entries that are not acknowledged' },
  entries: {
    ...listOf(whole({ position: text, appended_at: time, age_ms: count, event: mailboxEvent })),
    description: 'oldest first, at most 1,000',
  },
});
export type MailboxReport = FromSchema<typeof mailboxSchema>;
