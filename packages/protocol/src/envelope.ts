import type { Priority, Severity } from './catalogue.js';
import type { FromSchema, JSONSchema } from './schema.js';
import type { ServerData, ServerMessageType } from './serverMessages.js';

export const MAX_MESSAGE_TYPE_LENGTH = 64;
export const MAX_MESSAGE_ID_LENGTH = 128;

/** A frame of a client. Unknown fields are ignored here and refused in `data` (that is the message's own schema). */
export const envelopeSchema = {
  type: 'object',
  properties: {
    type: { type: 'string', minLength: 1, maxLength: MAX_MESSAGE_TYPE_LENGTH },
    data: { type: 'object', description: 'default {}' },
    id: { type: 'string', minLength: 1, maxLength: MAX_MESSAGE_ID_LENGTH, description: 'comes back as reply_to' },
    timestamp: { type: 'string', maxLength: 64, description: 'RFC 3339; not used' },
  },
  required: ['type'],
  additionalProperties: true,
} as const satisfies JSONSchema;

/** A frame of a client before its `data` was validated. */
export type ClientEnvelope = FromSchema<typeof envelopeSchema>;

/** A frame of the server that is not an event. */
export interface ServerEnvelope<T extends ServerMessageType> {
  readonly type: T;
  readonly data: ServerData<T>;
  /** RFC 3339, UTC. */
  readonly timestamp: string;
  /** The `id` of the message that this answers. */
  readonly reply_to?: string;
}

/** Any frame of the server that is not an event, told apart by `type`. */
export type ServerMessage = { [T in ServerMessageType]: ServerEnvelope<T> }[ServerMessageType];

export type Scope = 'broadcast' | 'user';

/** An event. A frame is an event if and only if it has `scope`: some names are types of both kinds. */
export interface EventFrame {
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
  /** RFC 3339, UTC: when the event was accepted. */
  readonly timestamp: string;
  readonly id: string;
  readonly priority: Priority;
  readonly category: string;
  readonly severity: Severity;
  readonly metadata?: Readonly<Record<string, unknown>>;
  readonly scope: Scope;
  /** Opaque; given back as resume position. Null: an ephemeral event, which has no place in a log. */
  readonly position: string | null;
}
