import type { FromSchema, JSONSchema } from './schema.js';

/**
 * The endpoints of the predecessor, kept while clients move (LEGACY_ENDPOINTS, docs/MIGRATION.md). Each group is an endpoint, and a name
 * for `subscribe_category`.
 */
export const LEGACY_GROUPS = ['health', 'dns_management', 'security', 'system', 'admin'] as const;
export type LegacyGroup = (typeof LEGACY_GROUPS)[number];

/** Paths of a group's WebSocket; `<group>` stands for the group. */
export const LEGACY_PATHS = ['/ws/<group>', '/api/websocket/ws/<group>'] as const;

/** Query of `GET /legacy/connections`. */
export const legacyQuerySchema = {
  type: 'object',
  properties: {
    limit: { type: 'integer', minimum: 1, maximum: 1000, description: 'at most as many users; default: 100' },
    cursor: {
      type: 'string',
      maxLength: 256,
      pattern: '^[A-Za-z0-9_-]+$',
      description: 'next_cursor of the page before',
    },
  },
  additionalProperties: false,
} as const satisfies JSONSchema;

/** Answer to `GET /legacy/connections`: the users of the legacy endpoints. */
export const legacyUsersSchema = {
  type: 'object',
  properties: {
    users: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          user_id: { type: 'string' },
          connections: {
            type: 'array',
            items: {
              type: 'object',
              properties: {
                group: { enum: LEGACY_GROUPS },
                node_id: { type: 'string' },
                connected_at: { type: 'string', description: 'RFC 3339' },
                subscribed_events: { type: 'array', items: { type: 'string' } },
              },
              required: ['group', 'node_id', 'connected_at', 'subscribed_events'],
            },
          },
          assigned: { enum: ['legacy', 'unified'], description: 'the endpoint that the roll-out gives the user' },
          enforced: { type: 'boolean', description: 'whether the other endpoint refuses the user' },
        },
        required: ['user_id', 'connections', 'assigned', 'enforced'],
      },
      description: 'in the order of their ids',
    },
    total_connections: { type: 'integer', minimum: 0, description: 'of all users, on the nodes that answered' },
    connections_by_group: { type: 'object', additionalProperties: { type: 'integer', minimum: 0 } },
    next_cursor: { type: ['string', 'null'], description: 'null: this is the last page' },
    missing_nodes: { type: 'array', items: { type: 'string' } },
  },
  required: ['users', 'total_connections', 'connections_by_group', 'next_cursor', 'missing_nodes'],
} as const satisfies JSONSchema;
export type LegacyUsers = FromSchema<typeof legacyUsersSchema>;
