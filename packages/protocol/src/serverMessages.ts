import { PRIORITIES } from './catalogue.js';
import { allConnectionsSchema, CONNECTION_STATUSES, healthReasonsSchema } from './connections.js';
import { ERROR_CODES } from './errorCodes.js';
import { preferencesSchema } from './preferences.js';
import { failedRetriedSchema, queueClearedSchema, queueStatusSchema, queueSwitchedSchema } from './queueReplies.js';
import { rolloutDecisionSchema } from './rollout.js';
import type { FromSchema, JSONSchema } from './schema.js';
import { connectionStatsSchema, routerStatsSchema, systemMetricsSchema } from './statsReplies.js';

interface ServerMessageDefinition {
  readonly meaning: string;
  /** Schema of `data`. A client ignores fields that it does not know: later versions may add some. */
  readonly data: JSONSchema;
}

const text = { type: 'string' } as const satisfies JSONSchema;
const texts = { type: 'array', items: text } as const satisfies JSONSchema;
const time = { type: 'string', description: 'RFC 3339, UTC' } as const satisfies JSONSchema;
const timeOrNull = { type: ['string', 'null'], description: 'RFC 3339, UTC' } as const satisfies JSONSchema;
const textOrNull = { type: ['string', 'null'] } as const satisfies JSONSchema;
const flag = { type: 'boolean' } as const satisfies JSONSchema;
const count = { type: 'integer', minimum: 0 } as const satisfies JSONSchema;

/** The cursor: all that concerns the connection up to here was written before this frame (L4). */
const positions = {
  type: 'object',
  properties: { broadcast: textOrNull, user: textOrNull },
  required: ['broadcast', 'user'],
} as const satisfies JSONSchema;

/** What became of a given position, per scope. */
export const RESUME_RESULTS = ['fresh', 'full', 'partial', 'none'] as const;
export type ResumeResult = (typeof RESUME_RESULTS)[number];
const resumeResult = { enum: RESUME_RESULTS } as const satisfies JSONSchema;

/** What became of the order to disconnect a user (G4). */
export const DISCONNECT_RESULTS = ['closed', 'not_connected', 'node_unreachable'] as const;
export type DisconnectResult = (typeof DISCONNECT_RESULTS)[number];

/** Why an event type of a subscription request was refused. */
export const SUBSCRIPTION_ERRORS = [
  'unknown_event_type',
  'permission_denied',
  'subscription_limit',
  'unknown_category',
] as const;
export type SubscriptionError = (typeof SUBSCRIPTION_ERRORS)[number];

/** Why the server changed the subscriptions of a connection by itself. */
export const SUBSCRIPTION_CHANGE_REASONS = ['permissions_changed', 'token_refreshed', 'catalogue_reloaded'] as const;
export type SubscriptionChangeReason = (typeof SUBSCRIPTION_CHANGE_REASONS)[number];

/** What holds for each connection, told in hello so that a client need not find out by errors. */
export const limitsSchema = {
  type: 'object',
  properties: {
    max_payload: { ...count, description: 'bytes of a message' },
    max_subscriptions: count,
    message_rate: { type: 'number', description: 'messages per second, sustained' },
    message_burst: count,
  },
  required: ['max_payload', 'max_subscriptions', 'message_rate', 'message_burst'],
} as const satisfies JSONSchema;

const errorProperties = {
  message: text,
  error_code: { enum: ERROR_CODES },
  timestamp: time,
  recoverable: { ...flag, description: 'whether the connection can be used on' },
  details: { type: 'object' },
  supported_types: { ...texts, description: 'with UNKNOWN_MESSAGE_TYPE' },
} as const satisfies Readonly<Record<string, JSONSchema>>;

/** Every message of the server that is not an event, by its type. */
export const serverMessages = {
  connection_established: {
    meaning: 'hello: the connection is open, and every older one of the user is closed',
    data: {
      type: 'object',
      properties: {
        connection_id: text,
        user_id: text,
        username: textOrNull,
        is_admin: flag,
        roles: texts,
        permissions: { ...texts, description: 'expanded: what the roles and the token give' },
        subscriptions: texts,
        connected_at: time,
        node_id: text,
        fence: { ...count, description: 'grows with each claim of the user; the higher one is current' },
        resume: {
          type: 'object',
          properties: { broadcast: resumeResult, user: resumeResult },
          required: ['broadcast', 'user'],
          description:
            'fresh: no position was given; full: everything missed follows; partial: some of it is gone; none: reload state',
        },
        positions,
        heartbeat_interval_ms: count,
        limits: limitsSchema,
        expires_at: { ...time, description: 'when the token runs out' },
        protocol: { const: '1' },
      },
      required: [
        'connection_id',
        'user_id',
        'username',
        'is_admin',
        'roles',
        'permissions',
        'subscriptions',
        'connected_at',
        'node_id',
        'fence',
        'resume',
        'positions',
        'heartbeat_interval_ms',
        'limits',
        'expires_at',
        'protocol',
      ],
    },
  },
  heartbeat: {
    meaning: 'a sign of life with the cursor of the connection; a position that is null leaves what the client has',
    data: {
      type: 'object',
      properties: { server_time: time, positions, connection_healthy: flag },
      required: ['server_time', 'positions', 'connection_healthy'],
    },
  },
  error: {
    meaning: 'a request, or the connection, failed',
    data: {
      type: 'object',
      properties: errorProperties,
      required: ['message', 'error_code', 'timestamp', 'recoverable'],
    },
  },
  validation_error: {
    meaning: 'the data of a message does not match its schema',
    data: {
      type: 'object',
      properties: {
        ...errorProperties,
        errors: {
          type: 'array',
          items: {
            type: 'object',
            properties: { path: { ...text, description: 'JSON pointer into data' }, message: text },
            required: ['path', 'message'],
          },
        },
      },
      required: ['message', 'error_code', 'timestamp', 'recoverable', 'errors'],
    },
  },
  server_draining: {
    meaning: 'the node is about to close the connection; come back after the delay',
    data: { type: 'object', properties: { reconnect_after_ms: count }, required: ['reconnect_after_ms'] },
  },
  gap: {
    meaning: 'events of a scope that can not be delivered: reload what depends on them',
    data: {
      type: 'object',
      properties: {
        scope: { enum: ['broadcast', 'user'] },
        from: textOrNull,
        to: textOrNull,
        reason: { enum: ['log_reset', 'trimmed', 'suspended'] },
      },
      required: ['scope', 'from', 'to', 'reason'],
    },
  },
  pong: {
    meaning: 'answers ping',
    data: {
      type: 'object',
      properties: {
        timestamp: time,
        connection_health: flag,
        uptime: { type: 'number', description: 'of the connection, in seconds' },
      },
      required: ['timestamp', 'connection_health', 'uptime'],
    },
  },
  subscription_updated: {
    meaning:
      'the full list of subscriptions after a change, sent once the change is stored; without being asked for when the server changed them',
    data: {
      type: 'object',
      properties: {
        subscriptions: texts,
        errors: {
          type: 'array',
          items: {
            type: 'object',
            properties: { event_type: text, error: { enum: SUBSCRIPTION_ERRORS } },
            required: ['event_type', 'error'],
          },
        },
        updated_at: time,
        reason: {
          enum: SUBSCRIPTION_CHANGE_REASONS,
          description: 'why the server changed them; errors names what went; not in a reply',
        },
      },
      required: ['subscriptions', 'errors', 'updated_at'],
    },
  },
  category_subscription_updated: {
    meaning: 'what is subscribed after a change by category, sent once the change is stored',
    data: {
      type: 'object',
      properties: {
        categories: {
          ...texts,
          description: 'that are subscribed as a whole: types that they get later come with them',
        },
        subscriptions: { ...texts, description: 'event types, the full list' },
        errors: {
          type: 'array',
          items: {
            type: 'object',
            properties: { category: text, event_type: text, error: { enum: SUBSCRIPTION_ERRORS } },
            required: ['category', 'error'],
          },
          description: 'with event_type: that type alone is left out',
        },
        updated_at: time,
      },
      required: ['categories', 'subscriptions', 'errors', 'updated_at'],
    },
  },
  token_refreshed: {
    meaning: 'the new token is in force, and with it what its roles and permissions allow',
    data: {
      type: 'object',
      properties: {
        expires_at: { ...time, description: 'when the new token runs out' },
        permissions: texts,
        removed_subscriptions: { ...texts, description: 'event types that the new token does not allow' },
      },
      required: ['expires_at', 'permissions', 'removed_subscriptions'],
    },
  },
  token_expiring: {
    meaning:
      'the token has to be replaced: without refresh_token the connection is closed with 4101, TOKEN_GRACE_MS after expires_at',
    data: {
      type: 'object',
      properties: { expires_at: { ...time, description: 'when the token runs out, or was declared out of date' } },
      required: ['expires_at'],
    },
  },
  subscription_info: {
    meaning: 'what is subscribed and what could be',
    data: {
      type: 'object',
      properties: {
        subscriptions: texts,
        categories: { ...texts, description: 'of the subscribed types' },
        subscribed_categories: { ...texts, description: 'that are subscribed as a whole' },
        available: { ...texts, description: 'types that the user may subscribe to' },
        limit: count,
      },
      required: ['subscriptions', 'categories', 'subscribed_categories', 'available', 'limit'],
    },
  },
  connection_status: {
    meaning: 'facts about the connection',
    data: {
      type: 'object',
      properties: {
        user_id: text,
        username: textOrNull,
        connection_id: text,
        node_id: text,
        status: { enum: CONNECTION_STATUSES },
        connected_at: time,
        is_healthy: flag,
        health_reasons: healthReasonsSchema,
        subscriptions: texts,
        message_count: { ...count, description: 'messages received from the client' },
        last_activity: { ...time, description: 'when something was last heard from the client' },
        fence: count,
      },
      required: [
        'user_id',
        'username',
        'connection_id',
        'node_id',
        'status',
        'connected_at',
        'is_healthy',
        'health_reasons',
        'subscriptions',
        'message_count',
        'last_activity',
        'fence',
      ],
    },
  },
  health_check_response: {
    meaning: 'how healthy the connection is',
    data: {
      type: 'object',
      properties: {
        connection_healthy: flag,
        health_reasons: healthReasonsSchema,
        websocket_state: { enum: CONNECTION_STATUSES },
        last_ping: timeOrNull,
        last_pong: timeOrNull,
        message_queue_size: { ...count, description: 'bytes written to the socket and not yet taken by the kernel' },
        consecutive_errors: count,
        server_time: time,
        node: { ...text, description: 'id of the node' },
      },
      required: [
        'connection_healthy',
        'health_reasons',
        'websocket_state',
        'last_ping',
        'last_pong',
        'message_queue_size',
        'consecutive_errors',
        'server_time',
        'node',
      ],
    },
  },
  message_preferences_updated: {
    meaning: 'all preferences after a change, sent once the change is stored',
    data: {
      type: 'object',
      properties: { preferences: preferencesSchema, updated_at: time },
      required: ['preferences', 'updated_at'],
    },
  },
  message_preferences: {
    meaning: 'the preferences of the user, and what holds for who chose nothing',
    data: {
      type: 'object',
      properties: { preferences: preferencesSchema, default_preferences: preferencesSchema },
      required: ['preferences', 'default_preferences'],
    },
  },
  rate_limited: {
    meaning: 'events exceed a limit of the connection: ephemeral ones were dropped, durable ones come later',
    data: {
      type: 'object',
      properties: {
        retry_after_ms: { ...count, description: 'until the next event may come' },
        dropped: {
          ...count,
          description: 'ephemeral events that were dropped or replaced by later ones since the last such message',
        },
      },
      required: ['retry_after_ms', 'dropped'],
    },
  },
  user_disconnected: {
    meaning: 'what became of the order to disconnect a user',
    data: {
      type: 'object',
      properties: {
        user_id: text,
        result: { enum: DISCONNECT_RESULTS },
        node_id: { ...textOrNull, description: 'of the owner; null when the user was not connected' },
        reason: textOrNull,
        legacy_closed: {
          type: 'integer',
          minimum: 1,
          description: 'of the connections that were closed, those to legacy endpoints; absent: none',
        },
        took_ms: { type: 'number', minimum: 0 },
      },
      required: ['user_id', 'result', 'node_id', 'reason', 'took_ms'],
    },
  },
  event_accepted: {
    meaning:
      'the event is in the queue and survives the death of every node; an ephemeral one is on its way to whoever is connected',
    data: {
      type: 'object',
      properties: {
        event_id: { ...text, description: 'as it stands in the event' },
        queue: {
          ...text,
          description: 'the queue that took it; several are joined by commas; ephemeral: none',
        },
        duplicate: { ...flag, description: 'true: the id was known, nothing was added' },
      },
      required: ['event_id', 'queue', 'duplicate'],
    },
  },
  event_queue_status: { meaning: 'how the event queue is', data: queueStatusSchema },
  event_queue_cleared: { meaning: 'what was taken away from the event queue', data: queueClearedSchema },
  failed_events_retried: { meaning: 'what became of the order to retry failed jobs', data: failedRetriedSchema },
  event_queue_paused: { meaning: 'no queue begins a job any more', data: queueSwitchedSchema },
  event_queue_resumed: { meaning: 'the queues go on', data: queueSwitchedSchema },
  connection_stats: { meaning: 'the connections of the cluster in numbers', data: connectionStatsSchema },
  router_stats: { meaning: 'the way of the events through the cluster in numbers', data: routerStatsSchema },
  system_metrics: { meaning: 'the processes and machines of the cluster in numbers', data: systemMetricsSchema },
  rollout_changed: {
    meaning:
      'what the user is assigned to while the legacy endpoints are served: sent when it changes, and after hello to whoever is assigned to the legacy endpoints',
    data: rolloutDecisionSchema,
  },
  all_connections: {
    meaning: 'a page of the open connections; whoever is connected throughout comes in exactly one of the pages',
    data: allConnectionsSchema,
  },
  admin_broadcast_sent: {
    meaning: 'the announcement is in the queue and survives the death of every node',
    data: {
      type: 'object',
      properties: {
        event_id: { ...text, description: 'of the event admin_broadcast' },
        message: text,
        priority: { enum: PRIORITIES },
        sent_at: time,
      },
      required: ['event_id', 'message', 'priority', 'sent_at'],
    },
  },
} as const satisfies Readonly<Record<string, ServerMessageDefinition>>;

export type ServerMessageType = keyof typeof serverMessages;

/** The `data` of a server message. */
export type ServerData<T extends ServerMessageType> = FromSchema<(typeof serverMessages)[T]['data']>;
