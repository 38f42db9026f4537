import { PRIORITIES, SEVERITIES } from '../events/catalogue.js';
import type { FromSchema, JSONSchema } from '../schemas/schema.js';
import type { ServerData, ServerMessageType } from './serverMessages.js';

const MAX_MESSAGE_TYPE_LENGTH = 64;
export const MAX_MESSAGE_ID_LENGTH = 128;

/** A frame of a client. Unknown fields are ignored here, and refused in `data` by the message's own schema. */
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

/** A frame of the server that is not an event. */
export interface ServerEnvelope<T extends ServerMessageType> {
  readonly type: T;
  readonly data: ServerData<T>;
  /** RFC 3339, UTC. */
  readonly timestamp: string;
  /** The `id` of the message that this answers. */
  readonly reply_to?: string;
}

/** Any frame of the server that is not an event. `type` tells them apart. */
export type ServerMessage = { [T in ServerMessageType]: ServerEnvelope<T> }[ServerMessageType];

/** The fields beside the data of a server message that is not an event. */
export const serverEnvelopeProperties = {
  timestamp: { type: 'string', description: 'RFC 3339, UTC' },
  reply_to: { type: 'string', description: 'the id of the message that this answers' },
} as const satisfies Readonly<Record<string, JSONSchema>>;

/** An event. A frame is an event if and only if it has `scope`: some names are types of both kinds. */
export const eventFrameSchema = {
  type: 'object',
  properties: {
    type: { type: 'string', description: 'a type of the event catalogue' },
    data: { type: 'object', description: 'without the fields that the user may not see' },
    timestamp: { type: 'string', description: 'RFC 3339, UTC: when the event was accepted' },
    id: { type: 'string' },
    priority: { enum: PRIORITIES },
    category: { type: 'string' },
    severity: { enum: SEVERITIES },
    metadata: { type: 'object', description: 'present if the publisher gave some' },
    scope: { enum: ['broadcast', 'user'] },
    position: {
      type: ['string', 'null'],
      description: 'opaque; send it back as resume position. null: an ephemeral event, which is in no log',
    },
  },
  required: ['type', 'data', 'timestamp', 'id', 'priority', 'category', 'severity', 'scope', 'position'],
} as const satisfies JSONSchema;
export type EventFrame = FromSchema<typeof eventFrameSchema>;
export type Scope = EventFrame['scope'];
