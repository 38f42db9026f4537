import { type JSONSchema, PRIORITIES, SEVERITIES, type ServerMessageType, serverMessages } from '@unified-ws/protocol';
import { Ajv, type ValidateFunction } from 'ajv';

const ajv = new Ajv({ strict: false });

/** As the schema, but nothing that it does not name: what is sent and not documented is a leak, or a gap in the documents. */
export function strict(schema: JSONSchema): JSONSchema {
  const { properties, items, additionalProperties, anyOf } = schema;
  return {
    ...schema,
    ...(anyOf === undefined ? {} : { anyOf: anyOf.map(strict) }),
    ...(items === undefined ? {} : { items: strict(items) }),
    ...(typeof additionalProperties === 'object' ? { additionalProperties: strict(additionalProperties) } : {}),
    ...(properties === undefined
      ? {}
      : {
          properties: Object.fromEntries(Object.entries(properties).map(([name, inner]) => [name, strict(inner)])),
          additionalProperties: additionalProperties === undefined ? false : additionalProperties,
        }),
  };
}

const data = new Map<string, ValidateFunction>(
  Object.entries(serverMessages).map(([type, definition]) => [type, ajv.compile(strict(definition.data))]),
);

const envelope = ajv.compile({
  type: 'object',
  properties: { type: { type: 'string' }, data: {}, timestamp: { type: 'string' }, reply_to: { type: 'string' } },
  required: ['type', 'data', 'timestamp'],
  additionalProperties: false,
});

const event = ajv.compile({
  type: 'object',
  properties: {
    type: { type: 'string' },
    data: { type: 'object' },
    timestamp: { type: 'string' },
    id: { type: 'string', pattern: '^[A-Za-z0-9_-]{1,73}$' },
    priority: { enum: PRIORITIES },
    category: { type: 'string' },
    severity: { enum: SEVERITIES },
    metadata: { type: 'object' },
    scope: { enum: ['broadcast', 'user'] },
    position: { type: ['string', 'null'] },
  },
  required: ['type', 'data', 'timestamp', 'id', 'priority', 'category', 'severity', 'scope', 'position'],
  additionalProperties: false,
});

/** Why a frame is none that the protocol knows; null when it is. */
export function faultOfFrame(frame: {
  readonly type: string;
  readonly data: unknown;
  readonly scope?: unknown;
}): string | null {
  if (frame.scope !== undefined) return event(frame) ? null : ajv.errorsText(event.errors);
  if (!envelope(frame)) return ajv.errorsText(envelope.errors);
  const validate = data.get(frame.type as ServerMessageType);
  if (!validate) return `there is no message of the type ${frame.type}`;
  return validate(frame.data) ? null : ajv.errorsText(validate.errors);
}
