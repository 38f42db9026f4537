import type { Permission } from '../codes/permissions.js';
import { PRIORITIES } from '../events/catalogue.js';
import { MAX_CLIENT_LENGTH, MAX_POSITION_LENGTH, MAX_RESUME_LENGTH } from '../events/positions.js';
import { preferenceChangesSchema } from '../events/preferences.js';
import { allConnectionsRequestSchema } from '../schemas/connections.js';
import { listEventsSchema } from '../schemas/eventRecords.js';
import { MAX_EVENT_TYPE_LENGTH, MAX_USER_ID_LENGTH, publishSchema } from '../schemas/publish.js';
import { clearQueueSchema, queueReasonSchema, queueStatusRequestSchema, retryFailedSchema } from '../schemas/queue.js';
import type { FromSchema, JSONSchema } from '../schemas/schema.js';
import type { ServerMessageType } from './serverMessages.js';

/** A longer token would not fit, with a margin, into the 16 KiB that Node.js allows for the headers of a request. */
export const MAX_TOKEN_LENGTH = 8192;
export const MAX_SUBSCRIPTION_CHANGES = 200;
const MAX_CATEGORY_CHANGES = 50;
/** Characters; cut to 123 bytes for the close frame by `fitCloseReason`. */
export const MAX_REASON_LENGTH = 100;
/** Characters of an announcement to everybody. */
const MAX_ANNOUNCEMENT_LENGTH = 2000;
/** One year. */
export const MAX_BAN_SECONDS = 31_536_000;

interface ClientMessageDefinition {
  /** Permission to send the message; null: every authenticated user may send it. */
  readonly permission: Permission | null;
  /** Type of the reply on success; null: no reply. */
  readonly reply: ServerMessageType | null;
  readonly meaning: string;
  /** Schema of `data`. Missing data counts as `{}`. */
  readonly data: JSONSchema;
}

const noData = { type: 'object', properties: {}, additionalProperties: false } as const satisfies JSONSchema;

const eventTypes = {
  type: 'object',
  properties: {
    event_types: {
      type: 'array',
      items: { type: 'string', minLength: 1, maxLength: MAX_EVENT_TYPE_LENGTH },
      minItems: 1,
      maxItems: MAX_SUBSCRIPTION_CHANGES,
    },
  },
  required: ['event_types'],
  additionalProperties: false,
} as const satisfies JSONSchema;

const categories = {
  type: 'object',
  properties: {
    categories: {
      type: 'array',
      items: { type: 'string', minLength: 1, maxLength: MAX_EVENT_TYPE_LENGTH },
      minItems: 1,
      maxItems: MAX_CATEGORY_CHANGES,
    },
  },
  required: ['categories'],
  additionalProperties: false,
} as const satisfies JSONSchema;

/** Options of a disconnect, shared by the message and the REST body. */
export const disconnectOptions = {
  reason: { type: 'string', maxLength: MAX_REASON_LENGTH, description: 'sent to the user in the close frame' },
  ban_seconds: {
    type: 'integer',
    minimum: 1,
    maximum: MAX_BAN_SECONDS,
    description: 'refuse the user for this long',
  },
} as const satisfies Readonly<Record<string, JSONSchema>>;

/** Every message that a client may send, by its type. */
export const clientMessages = {
  ping: { permission: null, reply: 'pong', meaning: 'asks whether the connection works', data: noData },
  pong: {
    permission: null,
    reply: null,
    meaning: 'shows that the client is alive; another connection_id than its own is an error',
    data: {
      type: 'object',
      properties: { connection_id: { type: 'string', minLength: 1, maxLength: 128 } },
      additionalProperties: false,
    },
  },
  authenticate: {
    permission: null,
    reply: 'connection_established',
    meaning: 'the first message of a client that sent no token with the upgrade',
    data: {
      type: 'object',
      properties: {
        token: { type: 'string', minLength: 1, maxLength: MAX_TOKEN_LENGTH },
        resume: { type: 'string', maxLength: MAX_RESUME_LENGTH, description: '<broadcast position>~<user position>' },
        client: { type: 'string', maxLength: MAX_CLIENT_LENGTH, description: '<id of the client instance>.<attempt>' },
      },
      required: ['token'],
      additionalProperties: false,
    },
  },
  subscribe_events: {
    permission: null,
    reply: 'subscription_updated',
    meaning: 'subscribes to event types; each type succeeds or fails on its own',
    data: eventTypes,
  },
  unsubscribe_events: {
    permission: null,
    reply: 'subscription_updated',
    meaning: 'unsubscribes from event types, also from default ones',
    data: eventTypes,
  },
  subscribe_category: {
    permission: null,
    reply: 'category_subscription_updated',
    meaning: 'subscribes to categories or groups of categories, including types added to them later',
    data: categories,
  },
  unsubscribe_category: {
    permission: null,
    reply: 'category_subscription_updated',
    meaning: 'unsubscribes from all types of categories, also from default ones',
    data: categories,
  },
  refresh_token: {
    permission: null,
    reply: 'token_refreshed',
    meaning: 'replaces the token of the connection by a new one of the same user; an invalid token changes nothing',
    data: {
      type: 'object',
      properties: { token: { type: 'string', minLength: 1, maxLength: MAX_TOKEN_LENGTH } },
      required: ['token'],
      additionalProperties: false,
    },
  },
  get_subscription_info: {
    permission: null,
    reply: 'subscription_info',
    meaning: 'asks which event types are subscribed, and which are available',
    data: noData,
  },
  get_connection_status: {
    permission: null,
    reply: 'connection_status',
    meaning: 'asks for facts about this connection',
    data: noData,
  },
  health_check: {
    permission: null,
    reply: 'health_check_response',
    meaning: 'asks how healthy this connection is',
    data: noData,
  },
  ack: {
    permission: null,
    reply: null,
    meaning:
      'the client has processed the events for this user up to this position, so the server deletes them. Ignored for positions that were not sent, and for another epoch',
    data: {
      type: 'object',
      properties: { user: { type: 'string', maxLength: MAX_POSITION_LENGTH, description: 'position of an event' } },
      required: ['user'],
      additionalProperties: false,
    },
  },
  set_message_preferences: {
    permission: null,
    reply: 'message_preferences_updated',
    meaning: 'changes the preferences that are given; the others stay',
    data: {
      type: 'object',
      properties: { preferences: preferenceChangesSchema },
      required: ['preferences'],
      additionalProperties: false,
    },
  },
  get_message_preferences: {
    permission: null,
    reply: 'message_preferences',
    meaning: 'asks for the preferences of the user',
    data: noData,
  },
  disconnect_user: {
    permission: 'admin:disconnect',
    reply: 'user_disconnected',
    meaning: 'closes the connection of a user on any node, and bans the user if ban_seconds is given',
    data: {
      type: 'object',
      properties: { user_id: { type: 'string', minLength: 1, maxLength: MAX_USER_ID_LENGTH }, ...disconnectOptions },
      required: ['user_id'],
      additionalProperties: false,
    },
  },
  publish_event: {
    permission: 'events:publish',
    reply: 'event_accepted',
    meaning: 'publishes one event',
    data: publishSchema,
  },
  get_event_queue_status: {
    permission: 'admin:queue',
    reply: 'event_queue_status',
    meaning: 'asks for the state of the event queue, and optionally for a page of its jobs',
    data: queueStatusRequestSchema,
  },
  list_events: {
    permission: 'admin:queue',
    reply: 'event_list',
    meaning: 'asks for a page of the events that were appended, failed or expired lately, the newest first',
    data: listEventsSchema,
  },
  clear_event_queue: {
    permission: 'admin:queue_write',
    reply: 'event_queue_cleared',
    meaning: 'removes jobs that were added before this request. The queue keeps working; active jobs stay',
    data: clearQueueSchema,
  },
  retry_failed_events: {
    permission: 'admin:queue_control',
    reply: 'failed_events_retried',
    meaning: 'puts failed jobs at the end of their queues again; their order per key is lost',
    data: retryFailedSchema,
  },
  pause_event_queue: {
    permission: 'admin:queue_control',
    reply: 'event_queue_paused',
    meaning: 'stops starting jobs on all nodes, also after restarts, until the queue is resumed; publishing continues',
    data: queueReasonSchema,
  },
  resume_event_queue: {
    permission: 'admin:queue_control',
    reply: 'event_queue_resumed',
    meaning: 'ends the pause',
    data: queueReasonSchema,
  },
  get_connection_stats: {
    permission: 'admin:stats',
    reply: 'connection_stats',
    meaning: 'asks for figures about the connections of the cluster and of each node',
    data: noData,
  },
  get_router_stats: {
    permission: 'admin:stats',
    reply: 'router_stats',
    meaning: 'asks for figures about the events of the cluster and of each node',
    data: noData,
  },
  get_system_metrics: {
    permission: 'admin:stats',
    reply: 'system_metrics',
    meaning: 'asks for CPU, memory and event loop figures of each node',
    data: noData,
  },
  get_all_connections: {
    permission: 'admin:connections',
    reply: 'all_connections',
    meaning: 'asks for a page of the open connections of the cluster, optionally filtered',
    data: allConnectionsRequestSchema,
  },
  broadcast_admin_message: {
    permission: 'admin:broadcast',
    reply: 'admin_broadcast_sent',
    meaning: 'sends an announcement to all users, as the event admin_broadcast (a default subscription)',
    data: {
      type: 'object',
      properties: {
        message: { type: 'string', minLength: 1, maxLength: MAX_ANNOUNCEMENT_LENGTH, pattern: '\\S' },
        priority: { enum: PRIORITIES, description: "default: the type's" },
        ...queueReasonSchema.properties,
      },
      required: ['message'],
      additionalProperties: false,
    },
  },
} as const satisfies Readonly<Record<string, ClientMessageDefinition>>;

export type ClientMessageType = keyof typeof clientMessages;

/** The `data` of a client message that passed validation. */
export type ClientData<T extends ClientMessageType> = FromSchema<(typeof clientMessages)[T]['data']>;

/** Whether `type` names a client message. Names that every object inherits (`constructor`) do not. */
export function isClientMessageType(type: string): type is ClientMessageType {
  return Object.hasOwn(clientMessages, type);
}
