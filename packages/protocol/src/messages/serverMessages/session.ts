import { ERROR_CODES } from '../../codes/errorCodes.js';
import type { JSONSchema } from '../../schemas/schema.js';
import { count, flag, text, textOrNull, texts, time } from '../../schemas/schemaParts.js';
import type { ServerMessageDefinition } from './definition.js';

/** The positions: everything for the connection up to them was written before this frame (L4). */
const positions = {
  type: 'object',
  properties: { broadcast: textOrNull, user: textOrNull },
  required: ['broadcast', 'user'],
} as const satisfies JSONSchema;

/** Results of a resume position, per scope. */
const RESUME_RESULTS = ['fresh', 'full', 'partial', 'none'] as const;
export type ResumeResult = (typeof RESUME_RESULTS)[number];
const resumeResult = { enum: RESUME_RESULTS } as const satisfies JSONSchema;

/** Limits of each connection. They are in connection_established, so that a client need not find them out by errors. */
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
  recoverable: { ...flag, description: 'whether the connection stays usable' },
  details: { type: 'object' },
  supported_types: { ...texts, description: 'with UNKNOWN_MESSAGE_TYPE' },
} as const satisfies Readonly<Record<string, JSONSchema>>;

/** Messages of the session: connection_established, signs of life, errors and gaps. */
export const sessionMessages = {
  connection_established: {
    meaning: 'the connection is open, and every older connection of the user is closed',
    data: {
      type: 'object',
      properties: {
        connection_id: text,
        user_id: text,
        username: textOrNull,
        is_admin: flag,
        roles: texts,
        permissions: { ...texts, description: 'all permissions: of the roles and of the token' },
        subscriptions: texts,
        connected_at: time,
        node_id: text,
        fence: { ...count, description: 'grows with each connection of the user; the highest one is current' },
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
        expires_at: { ...time, description: 'when the token expires' },
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
    meaning:
      'shows that the server is alive, and carries the positions of the connection; keep your own position where one is null',
    data: {
      type: 'object',
      properties: { server_time: time, positions, connection_healthy: flag },
      required: ['server_time', 'positions', 'connection_healthy'],
    },
  },
  error: {
    meaning: 'a request failed, or the connection did',
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
    meaning: 'the node will close the connection soon; reconnect after the delay',
    data: { type: 'object', properties: { reconnect_after_ms: count }, required: ['reconnect_after_ms'] },
  },
  gap: {
    meaning: 'some events of a scope cannot be delivered: reload what depends on them',
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
} as const satisfies Readonly<Record<string, ServerMessageDefinition>>;
