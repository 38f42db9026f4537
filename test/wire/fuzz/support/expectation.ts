import {
  type ClientMessageType,
  clientMessages,
  type ErrorCode,
  envelopeSchema,
  isClientMessageType,
  MAX_MESSAGE_ID_LENGTH,
} from '@unified-ws/protocol';
import { Ajv } from 'ajv';

/** What must answer a message. */
export interface Expectation {
  /** Of the reply; undefined when the message has no id that could be repeated. */
  readonly replyTo: string | undefined;
  /** The reply when it succeeds; null: none is sent; undefined: it cannot succeed. */
  readonly reply: string | null | undefined;
  /** Codes with which it may fail; empty: it cannot. */
  readonly errors: readonly ErrorCode[];
}

/** What the data's schema lets through may still be wrong in what it means. */
const BEYOND_SCHEMA: Partial<Readonly<Record<ClientMessageType, readonly ErrorCode[]>>> = {
  pong: ['VALIDATION_ERROR'],
  ack: ['VALIDATION_ERROR'],
  refresh_token: ['AUTH_ERROR', 'TOKEN_EXPIRED'],
  set_message_preferences: ['VALIDATION_ERROR'],
  disconnect_user: ['VALIDATION_ERROR', 'PERMISSION_DENIED'],
  publish_event: ['VALIDATION_ERROR', 'PERMISSION_DENIED'],
  get_event_queue_status: ['VALIDATION_ERROR'],
  list_events: ['VALIDATION_ERROR'],
  clear_event_queue: ['VALIDATION_ERROR', 'CONFLICT'],
  retry_failed_events: ['VALIDATION_ERROR', 'CONFLICT'],
  get_all_connections: ['VALIDATION_ERROR'],
};

const ajv = new Ajv({ strict: false });
const isEnvelope = ajv.compile<{ type: string; data?: unknown }>(envelopeSchema);
const isData = new Map(Object.entries(clientMessages).map(([type, { data }]) => [type, ajv.compile(data)]));

/** What the protocol says of a message; not made with the server's own code. @param permissions of its sender. */
export function expectationOf(text: string, permissions: ReadonlySet<string>): Expectation {
  let message: unknown;
  try {
    message = JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return refused(undefined, 'MESSAGE_ERROR');
  }
  if (typeof message !== 'object' || message === null || Array.isArray(message)) {
    return refused(undefined, 'MESSAGE_ERROR');
  }
  const replyTo = idOf(message);
  if (!isEnvelope(message)) return refused(replyTo, 'MESSAGE_ERROR');
  const { type, data = {} } = message;
  if (!isClientMessageType(type) || type === 'authenticate') return refused(replyTo, 'UNKNOWN_MESSAGE_TYPE');
  const { permission, reply } = clientMessages[type];
  if (permission !== null && !permissions.has(permission)) return refused(replyTo, 'PERMISSION_DENIED');
  if (!isData.get(type)?.(data)) return refused(replyTo, 'VALIDATION_ERROR');
  return { replyTo, reply, errors: BEYOND_SCHEMA[type] ?? [] };
}

function refused(replyTo: string | undefined, code: ErrorCode): Expectation {
  return { replyTo, reply: undefined, errors: [code] };
}

function idOf(message: object): string | undefined {
  const id: unknown = Object.hasOwn(message, 'id') ? (message as { id: unknown }).id : undefined;
  return typeof id === 'string' && id.length >= 1 && id.length <= MAX_MESSAGE_ID_LENGTH ? id : undefined;
}
