import type { Permission } from '../codes/permissions.js';
import { PRIORITIES } from '../events/catalogue.js';
import { MAX_CLIENT_LENGTH, MAX_POSITION_LENGTH, MAX_RESUME_LENGTH } from '../events/positions.js';
import { preferenceChangesSchema } from '../events/preferences.js';
import { allConnectionsRequestSchema } from '../schemas/connections.js';
import { MAX_EVENT_TYPE_LENGTH, MAX_USER_ID_LENGTH, publishSchema } from '../schemas/publish.js';
import { clearQueueSchema, queueReasonSchema, queueStatusRequestSchema, retryFailedSchema } from '../schemas/queue.js';
import type { FromSchema, JSONSchema } from '../schemas/schema.js';
import type { ServerMessageType } from './serverMessages.js';

/** A token longer than this would not fit the 16 KiB that Node.js allows for the headers of a request with room to spare. */
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
  /** Needed to send it; null: every authenticated user may. */
  readonly permission: Permission | null;
  /** Type of the reply when it succeeds; null: none is sent. */
  readonly reply: ServerMessageType | null;
  readonly meaning: string;
  /** Schema of `data`. Data that is left out counts as `{}`. */
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

/** What an admin may say about a disconnect; shared by the message and the REST body. */
export const disconnectOptions = {
  reason: { type: 'string', maxLength: MAX_REASON_LENGTH, description: 'told to the user in the close frame' },
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
    meaning: 'a sign of life; a connection_id that is not the own one is answered with an error',
    data: {
      type: 'object',
      properties: { connection_id: { type: 'string', minLength: 1, maxLength: 128 } },
      additionalProperties: false,
    },
  },
  authenticate: {
    permission: null,
    reply: 'connection_established',
    meaning: 'the first message of a client that gave no token in the upgrade request',
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
    meaning: 'adds event types to the subscriptions; each is judged singly',
    data: eventTypes,
  },
  unsubscribe_events: {
    permission: null,
    reply: 'subscription_updated',
    meaning: 'takes event types, defaults too, from the subscriptions',
    data: eventTypes,
  },
  subscribe_category: {
    permission: null,
    reply: 'category_subscription_updated',
    meaning: 'subscribes to categories, or groups of them, as a whole, with the types that they get later',
    data: categories,
  },
  unsubscribe_category: {
    permission: null,
    reply: 'category_subscription_updated',
    meaning: 'takes all types of categories, defaults too, from the subscriptions',
    data: categories,
  },
  refresh_token: {
    permission: null,
    reply: 'token_refreshed',
    meaning: "puts a new token of the same user in the place of the connection's; a bad one changes nothing",
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
    meaning: 'asks what is subscribed and what could be',
    data: noData,
  },
  get_connection_status: {
    permission: null,
    reply: 'connection_status',
    meaning: 'asks for facts about the own connection',
    data: noData,
  },
  health_check: {
    permission: null,
    reply: 'health_check_response',
    meaning: 'asks how healthy the own connection is',
    data: noData,
  },
  ack: {
    permission: null,
    reply: null,
    meaning:
      'everything targeted at the user up to this position arrived: it is forgotten; what was not sent, or is of another epoch, is left alone',
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
    meaning: 'changes preferences of the user: what is given replaces what was, the rest stays',
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
    meaning: 'ends the connection of a user on whatever node it is, and bans the user if asked to',
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
    meaning: 'asks how the event queue is, and for a page of its jobs if asked to',
    data: queueStatusRequestSchema,
  },
  clear_event_queue: {
    permission: 'admin:queue_write',
    reply: 'event_queue_cleared',
    meaning: 'takes jobs that were added before away from the queue, which works on meanwhile; active ones are left',
    data: clearQueueSchema,
  },
  retry_failed_events: {
    permission: 'admin:queue_control',
    reply: 'failed_events_retried',
    meaning: 'puts failed jobs at the end of their queues again; the order of a key is not kept for them',
    data: retryFailedSchema,
  },
  pause_event_queue: {
    permission: 'admin:queue_control',
    reply: 'event_queue_paused',
    meaning: 'no job is begun on any node until the queue is resumed, restarts included; publishing goes on',
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
    meaning: 'asks for the connections of the cluster in numbers, and of each node',
    data: noData,
  },
  get_router_stats: {
    permission: 'admin:stats',
    reply: 'router_stats',
    meaning: 'asks for what became of the events, in the cluster and on each node',
    data: noData,
  },
  get_system_metrics: {
    permission: 'admin:stats',
    reply: 'system_metrics',
    meaning: 'asks for processor, memory and event loop of each node',
    data: noData,
  },
  get_all_connections: {
    permission: 'admin:connections',
    reply: 'all_connections',
    meaning: 'asks for a page of the open connections of the cluster, those that a filter lets through',
    data: allConnectionsRequestSchema,
  },
  broadcast_admin_message: {
    permission: 'admin:broadcast',
    reply: 'admin_broadcast_sent',
    meaning: 'announces something to everybody, as the event admin_broadcast, which is subscribed by default',
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

/** Whether `type` names a client message; names that every object inherits (`constructor`) do not. */
export function isClientMessageType(type: string): type is ClientMessageType {
  return Object.hasOwn(clientMessages, type);
}
