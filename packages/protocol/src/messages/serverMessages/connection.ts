import { preferencesSchema } from '../../events/preferences.js';
import { CONNECTION_STATUSES, healthReasonsSchema } from '../../schemas/connections.js';
import { count, flag, text, textOrNull, texts, time, timeOrNull } from '../../schemas/schemaParts.js';
import type { ServerMessageDefinition } from './definition.js';

/** Why an event type of a subscription request was refused. */
const SUBSCRIPTION_ERRORS = [
  'unknown_event_type',
  'permission_denied',
  'subscription_limit',
  'unknown_category',
] as const;
export type SubscriptionError = (typeof SUBSCRIPTION_ERRORS)[number];

/** Why the server changed the subscriptions of a connection by itself. */
const SUBSCRIPTION_CHANGE_REASONS = ['permissions_changed', 'token_refreshed', 'catalogue_reloaded'] as const;
export type SubscriptionChangeReason = (typeof SUBSCRIPTION_CHANGE_REASONS)[number];

/** Messages about the connection itself: its subscriptions, token, preferences, health and rates. */
export const connectionMessages = {
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
      'the full list of subscriptions after a change, sent when the change is stored; also sent when the server changed them itself, and to each client after a reload of the catalogue',
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
          description: 'why the server changed them; errors names the removed types; not in a reply',
        },
      },
      required: ['subscriptions', 'errors', 'updated_at'],
    },
  },
  category_subscription_updated: {
    meaning: 'the full list of subscriptions after a change by category, sent when the change is stored',
    data: {
      type: 'object',
      properties: {
        categories: {
          ...texts,
          description: 'subscribed as a whole, including types added later',
        },
        subscriptions: { ...texts, description: 'event types, the full list' },
        errors: {
          type: 'array',
          items: {
            type: 'object',
            properties: { category: text, event_type: text, error: { enum: SUBSCRIPTION_ERRORS } },
            required: ['category', 'error'],
          },
          description: 'with event_type: only this type is left out',
        },
        updated_at: time,
      },
      required: ['categories', 'subscriptions', 'errors', 'updated_at'],
    },
  },
  token_refreshed: {
    meaning: 'the new token is in force, with its roles and permissions',
    data: {
      type: 'object',
      properties: {
        expires_at: { ...time, description: 'when the new token expires' },
        permissions: texts,
        removed_subscriptions: { ...texts, description: 'event types that the new token does not allow' },
      },
      required: ['expires_at', 'permissions', 'removed_subscriptions'],
    },
  },
  token_expiring: {
    meaning:
      'the token expires soon: send refresh_token, or the connection is closed with 4101, TOKEN_GRACE_MS after expires_at',
    data: {
      type: 'object',
      properties: { expires_at: { ...time, description: 'when the token expires, or stopped being valid by order' } },
      required: ['expires_at'],
    },
  },
  subscription_info: {
    meaning: 'which event types are subscribed, and which are available',
    data: {
      type: 'object',
      properties: {
        subscriptions: texts,
        categories: { ...texts, description: 'of the subscribed types' },
        subscribed_categories: { ...texts, description: 'subscribed as a whole' },
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
        last_activity: { ...time, description: 'when the client last sent something' },
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
        message_queue_size: { ...count, description: 'bytes written to the socket but not yet accepted by the kernel' },
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
    meaning: 'all preferences after a change, sent when the change is stored',
    data: {
      type: 'object',
      properties: { preferences: preferencesSchema, updated_at: time },
      required: ['preferences', 'updated_at'],
    },
  },
  message_preferences: {
    meaning: 'the preferences of the user, and the defaults',
    data: {
      type: 'object',
      properties: { preferences: preferencesSchema, default_preferences: preferencesSchema },
      required: ['preferences', 'default_preferences'],
    },
  },
  rate_limited: {
    meaning: 'a rate limit of the connection was exceeded: ephemeral events were dropped, durable events are delayed',
    data: {
      type: 'object',
      properties: {
        retry_after_ms: { ...count, description: 'time until the next event may be sent' },
        dropped: {
          ...count,
          description: 'ephemeral events that were dropped, or replaced by later ones, since the last rate_limited',
        },
      },
      required: ['retry_after_ms', 'dropped'],
    },
  },
} as const satisfies Readonly<Record<string, ServerMessageDefinition>>;
