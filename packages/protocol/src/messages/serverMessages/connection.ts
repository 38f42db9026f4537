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

/** What concerns the connection itself: its subscriptions, token, preferences, health and rates. */
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
} as const satisfies Readonly<Record<string, ServerMessageDefinition>>;
