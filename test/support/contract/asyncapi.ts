import { DocumentSchemas, type Json } from './schemas.js';

/** A message that a client may send, as the document describes it. */
interface DocumentedRequest {
  readonly type: string;
  /** Null: every user may send it. */
  readonly permission: string | null;
  /** Types of the possible answers, including failures. */
  readonly replies: readonly string[];
  /** Names of the fields that its data may have. */
  readonly fields: readonly string[];
  /** Example frames of the document. */
  readonly examples: readonly Readonly<Record<string, unknown>>[];
}

export interface AsyncApiContract {
  /** The path of the WebSocket. */
  readonly address: string;
  /** Messages of clients, by type. */
  readonly requests: ReadonlyMap<string, DocumentedRequest>;
  /** Types of the messages of the server, without events. */
  readonly serverTypes: readonly string[];
  readonly eventTypes: readonly string[];
  readonly closeCodes: readonly number[];
  readonly errorCodes: readonly string[];
  /** Why the document does not allow such a frame of the server; empty: it does. Unknown fields count as faults. */
  receivedFaults(frame: unknown): string[];
  /** Why the document does not allow such a frame of a client; empty: it does. */
  sentFaults(frame: unknown): string[];
  /** Whether a frame of this type may answer a message of that type. */
  mayAnswer(request: string, reply: string): boolean;
}

/** The messages that a document describes. @param document AsyncAPI 3.0, parsed. */
export function asyncApiContract(document: unknown): AsyncApiContract {
  const root = document as Json;
  const [channel] = Object.values(root.channels ?? {});
  const messages = root.components?.messages ?? {};
  const schemas = new DocumentSchemas(document);
  const named = (ref: Json): string => String(ref.$ref).split('/').at(-1) ?? '';
  const typeOf = (id: string): string => String(messages[id]?.name);
  const requests = new Map<string, DocumentedRequest>();
  for (const operation of Object.values(root.operations ?? {})) {
    if (String(operation.action) !== 'receive') continue;
    for (const id of Object.values(operation.messages ?? {}).map(named)) {
      const permission = operation['x-permission'] as unknown;
      requests.set(typeOf(id), {
        type: typeOf(id),
        permission: typeof permission === 'string' ? permission : null,
        replies: Object.values(operation.reply?.messages ?? {}).map((ref) => typeOf(named(ref))),
        fields: Object.keys(dataOf(root, messages[id])?.properties ?? {}),
        examples: Object.values(messages[id]?.examples ?? {}).map(({ payload }) => payload ?? {}),
      });
    }
  }
  const payloadFaults = (id: string, frame: unknown): string[] => {
    if (messages[id] === undefined) return [`the document has no message ${id}`];
    return schemas.faults(['components', 'messages', id, 'payload'], frame);
  };
  const eventTypes = Object.keys(messages.event?.['x-event-types'] ?? {});
  const listed = (key: string): string[] => Object.values(channel?.[key] ?? {}).map(({ code }) => String(code));
  return {
    address: String(channel?.address),
    requests,
    serverTypes: Object.keys(messages)
      .filter((id) => id.startsWith('server.'))
      .map(typeOf),
    eventTypes,
    closeCodes: listed('x-close-codes').map(Number),
    errorCodes: listed('x-error-codes'),
    receivedFaults: (frame) => {
      if (typeof frame !== 'object' || frame === null) return ['it is no object'];
      const { type, scope } = frame as { type?: unknown; scope?: unknown };
      if (scope === undefined) return payloadFaults(`server.${type}`, frame);
      const unknown = eventTypes.includes(String(type)) ? [] : [`there is no event type ${type}`];
      return [...unknown, ...payloadFaults('event', frame)];
    },
    sentFaults: (frame) => payloadFaults(`client.${(frame as { type?: unknown } | null)?.type}`, frame),
    mayAnswer: (request, reply) => requests.get(request)?.replies.includes(reply) ?? false,
  };
}

/** The schema of a message's data, which may be under `components`. */
function dataOf(root: Json, message: Json | undefined): Json | undefined {
  const data = message?.payload?.properties?.data;
  const ref = data?.$ref as unknown;
  return typeof ref === 'string' ? root.components?.schemas?.[ref.split('/').at(-1) ?? ''] : data;
}
