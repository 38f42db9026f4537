import { ERROR_CODES } from '../codes/errorCodes.js';
import { DELIVERIES, PRIORITIES, SEVERITIES } from '../events/catalogue.js';
import type { FromSchema } from './schema.js';
import { amount, count, counts, flag, listOf, text, textOrNull, texts, whole } from './schemaParts.js';

const eventType = whole({
  category: text,
  priority: { enum: PRIORITIES },
  severity: { enum: SEVERITIES },
  delivery: { enum: DELIVERIES },
  permission: { ...text, description: 'needed to subscribe and to receive' },
});

/** Answer of `GET /info`: the capabilities of this service. Public. */
export const infoSchema = whole({
  endpoint: text,
  description: text,
  version: text,
  protocol: text,
  subprotocol: text,
  rest: { ...text, description: 'what the REST routes begin with' },
  openapi: { ...text, description: 'where the description of the REST routes is' },
  asyncapi: { ...text, description: 'where the description of the messages is' },
  connection_policy: { enum: ['replace', 'reject'] },
  supported_event_types: texts,
  event_types: { type: 'object', additionalProperties: eventType },
  event_priorities: listOf({ enum: PRIORITIES }),
  event_severities: listOf({ enum: SEVERITIES }),
  supported_messages: whole({
    client_to_server: listOf(
      whole({
        type: text,
        description: text,
        permission: { ...textOrNull, description: 'null: every user may' },
        reply: { ...textOrNull, description: 'null: none is sent' },
        data: { type: 'object', description: 'JSON Schema of data' },
      }),
    ),
    server_to_client: listOf(whole({ type: text, description: text })),
  }),
  error_codes: listOf(whole({ code: { enum: ERROR_CODES }, description: text, recoverable: flag })),
  close_codes: listOf(
    whole({ code: count, description: text, reconnect: { enum: ['never', 'new_token', 'backoff'] } }),
  ),
  authentication: whole({ methods: listOf(whole({ carrier: text, example: text })), timeout_ms: count }),
  limits: whole({
    ...counts('max_connections_per_node', 'max_payload', 'max_subscriptions'),
    message_rate: { ...amount, description: 'messages per second, sustained' },
    ...counts('message_burst', 'max_consecutive_errors', 'max_event_bytes', 'max_body_bytes'),
    ...counts('heartbeat_interval_ms', 'ping_interval_ms', 'ping_timeout_ms'),
  }),
});
export type InfoReport = FromSchema<typeof infoSchema>;
