import {
  BEARER_PREFIX,
  type Catalogue,
  type ClientMessageType,
  clientExamples,
  clientMessages,
  closeCodes,
  envelopeSchema,
  errorCodes,
  eventExample,
  eventFrameSchema,
  type JSONSchema,
  permissions,
  type ServerMessageType,
  SUBPROTOCOL,
  serverEnvelopeProperties,
  serverExamples,
  serverMessages,
  WS_PATH,
} from '@unified-ws/protocol';
import { Components, type Json } from './components.js';

const DESCRIPTION = `JSON text frames over one WebSocket per user. The operations are seen from the server: it *receives* messages of clients and *sends* messages to them.

A message of the server is an event if and only if it has \`scope\`. The server ignores unknown fields beside \`data\` and refuses unknown fields inside it.
A client ignores what it does not know, because later versions may add fields and messages. A request that fails is answered with \`error\` or
\`validation_error\`, with its id in \`reply_to\`. A message with \`x-permission\` needs that permission.`;

const CHANNEL = { $ref: '#/channels/unified' };
const FAILURES = ['error', 'validation_error'] as const;
const EXAMPLE_TIME = '2026-01-01T12:00:00.000Z';

/** Replies that the server also sends without a request. */
const ALSO_PUSHED: readonly ServerMessageType[] = ['connection_established', 'subscription_updated'];

const clientEntries = Object.entries(clientMessages) as [
  ClientMessageType,
  (typeof clientMessages)[ClientMessageType],
][];
const serverEntries = Object.entries(serverMessages) as [
  ServerMessageType,
  (typeof serverMessages)[ServerMessageType],
][];

/**
 * The AsyncAPI 3.0 document of the messages.
 *
 * @param version of this package.
 * @param catalogue whose event types are listed.
 */
export function asyncApiDocument(version: string, catalogue: Catalogue): Json {
  const components = new Components();
  const messages = messagesOf(components, catalogue);
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Unified WebSocket cluster',
      version,
      description: DESCRIPTION,
      license: { name: 'MIT' },
    },
    defaultContentType: 'application/json',
    servers: { secure: server('wss'), plain: server('ws') },
    channels: {
      unified: {
        address: WS_PATH,
        summary: 'The one connection of a user',
        description:
          'Only the newest connection of a user is current, in the whole cluster. The server closes the others with 4001.',
        servers: [{ $ref: '#/servers/secure' }, { $ref: '#/servers/plain' }],
        messages: Object.fromEntries(Object.keys(messages).map((id) => [id, { $ref: `#/components/messages/${id}` }])),
        bindings: { ws: binding() },
        'x-close-codes': closeCodes.map(({ code, name, meaning, reconnect }) => ({ code, name, meaning, reconnect })),
        'x-error-codes': Object.entries(errorCodes).map(([code, { meaning, recoverable }]) => {
          return { code, meaning, recoverable };
        }),
      },
    },
    operations: operations(),
    components: { messages, schemas: components.schemas(), securitySchemes: securitySchemes() },
  };
}

function server(protocol: 'ws' | 'wss'): Json {
  return {
    host: '{host}',
    protocol,
    protocolVersion: '13',
    description: 'any node, or the load balancer before them',
    variables: { host: { default: 'localhost:8080', description: 'name and port' } },
    security: ['bearer', 'subprotocol', 'query'].map((name) => ({ $ref: `#/components/securitySchemes/${name}` })),
  };
}

function securitySchemes(): Json {
  return {
    bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
    subprotocol: {
      type: 'httpApiKey',
      in: 'header',
      name: 'Sec-WebSocket-Protocol',
      description: `\`${SUBPROTOCOL}, ${BEARER_PREFIX}<token>\`, for browsers; the server answers with only \`${SUBPROTOCOL}\`. If the request has no token, the first message is \`authenticate\`.`,
    },
    query: { type: 'httpApiKey', in: 'query', name: 'token', description: 'may appear in logs: prefer another way' },
  };
}

/** Query and headers of the request that opens the connection. */
function binding(): Json {
  const { token, client, resume } = clientMessages.authenticate.data.properties;
  return {
    method: 'GET',
    query: { type: 'object', properties: { token, client, resume } },
    bindingVersion: '0.1.0',
  };
}

function messagesOf(components: Components, catalogue: Catalogue): Readonly<Record<string, Json>> {
  return Object.fromEntries([
    ...clientEntries.map(([type, { meaning, data }]) => [
      `client.${type}`,
      message(type, meaning, clientPayload(type, data, components), [{ type, data: clientExamples[type], id: 'm1' }]),
    ]),
    ...serverEntries.map(([type, { meaning, data }]) => {
      const example = serverExamples[type];
      const frames = example === undefined ? [] : [{ type, data: example, timestamp: EXAMPLE_TIME }];
      return [`server.${type}`, message(type, meaning, serverPayload(type, data, components), frames)];
    }),
    [
      'event',
      {
        ...message('event', 'a published event', components.schema(eventFrameSchema), [eventExample]),
        'x-event-types': catalogue.event_types,
      },
    ],
  ]);
}

function message(name: string, summary: string, payload: unknown, frames: readonly unknown[]): Json {
  const examples = frames.map((frame) => ({ payload: frame }));
  return { name, title: name, summary, payload, ...(examples.length > 0 ? { examples } : {}) };
}

function clientPayload(type: string, data: JSONSchema, components: Components): Json {
  const { properties, required, additionalProperties } = envelopeSchema;
  // Missing data counts as {}.
  const needsData = (data.required ?? []).length > 0;
  return {
    type: 'object',
    properties: { ...properties, type: { const: type }, data: components.schema(data) },
    required: [...required, ...(needsData ? ['data'] : [])],
    additionalProperties,
  };
}

function serverPayload(type: string, data: JSONSchema, components: Components): Json {
  return {
    type: 'object',
    properties: { type: { const: type }, data: components.schema(data), ...serverEnvelopeProperties },
    required: ['type', 'data', 'timestamp'],
  };
}

function operations(): Json {
  const refs = (...ids: readonly string[]): Json[] => ids.map((id) => ({ $ref: `${CHANNEL.$ref}/messages/${id}` }));
  const replies = new Set<string | null>(clientEntries.map(([, { reply }]) => reply));
  const received = clientEntries.map(([type, { meaning, permission, reply }]) => {
    const answers = [...(reply === null ? [] : [reply]), ...FAILURES].map((answer) => `server.${answer}`);
    const permit =
      permission === null
        ? {}
        : {
            'x-permission': permission,
            description: `Needs the permission ${permission}: to ${permissions[permission]}.`,
          };
    return [
      `receive.${type}`,
      {
        action: 'receive',
        channel: CHANNEL,
        summary: meaning,
        ...permit,
        messages: refs(`client.${type}`),
        reply: { channel: CHANNEL, messages: refs(...answers) },
      },
    ];
  });
  const pushed = serverEntries
    .filter(([type]) => ALSO_PUSHED.includes(type) || !replies.has(type))
    .map(([type, { meaning }]) => [
      `send.${type}`,
      { action: 'send', channel: CHANNEL, summary: meaning, messages: refs(`server.${type}`) },
    ]);
  const event = {
    action: 'send',
    channel: CHANNEL,
    summary: 'an event that the user subscribed to and may see',
    messages: refs('event'),
  };
  return Object.fromEntries([...received, ...pushed, ['send.event', event]]);
}
