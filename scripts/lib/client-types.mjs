// The types of the client that are made from the protocol: events with their data, and requests with their replies. The client has
// them as text of its own, so that it depends on no other package, not even for types.

/** Messages that the client sends by itself: nobody else should. */
const OWN = new Set([
  'authenticate',
  'refresh_token',
  'ack',
  'pong',
  'subscribe_events',
  'unsubscribe_events',
  'subscribe_category',
  'unsubscribe_category',
]);

const ANY_OBJECT = 'Readonly<Record<string, unknown>>';

/** The TypeScript type of what a schema accepts, as text. */
function typeOf(schema) {
  if ('const' in schema) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(' | ');
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(' | ');
  const types = [schema.type ?? 'unknown'].flat();
  return types.map((type) => ofType(type, schema)).join(' | ');
}

function ofType(type, { properties, required = [], items }) {
  if (type === 'integer') return 'number';
  if (type === 'array') return `readonly (${items ? typeOf(items) : 'unknown'})[]`;
  if (type !== 'object') return type;
  if (!properties) return ANY_OBJECT;
  const fields = Object.entries(properties).map(
    ([name, schema]) => `readonly ${name}${required.includes(name) ? '' : '?'}: ${typeOf(schema)};`,
  );
  return fields.length === 0 ? 'Readonly<Record<string, never>>' : `{ ${fields.join(' ')} }`;
}

/** @param catalogue as in packages/protocol/catalogue.json. */
export function eventMapSource(catalogue) {
  const lines = Object.entries(catalogue.event_types).map(
    ([type, { schema }]) => `readonly ${type}: ${schema ? typeOf(schema) : ANY_OBJECT};`,
  );
  return `// Made by \`npm run docs\` from packages/protocol/catalogue.json.

/** Every event type of the catalogue, with the type of its data. An installation with a catalogue of its own gives its own map. */
export interface EventMap {
${lines.join('\n')}
}
`;
}

/** @param protocol the package. */
export function requestMapSource({ clientMessages, serverMessages }) {
  const lines = Object.entries(clientMessages)
    .filter(([type, { reply }]) => reply !== null && !OWN.has(type))
    .map(
      ([type, { meaning, data, reply }]) =>
        `/** ${meaning[0].toUpperCase()}${meaning.slice(1)}. */\nreadonly ${type}: { readonly data: ${typeOf(data)}; readonly reply: ${typeOf(serverMessages[reply].data)} };`,
    );
  return `// Made by \`npm run docs\` from packages/protocol/src/messages.

/** Every request, with its data and the data of its reply. */
export interface RequestMap {
${lines.join('\n')}
}

export type RequestType = keyof RequestMap;
`;
}
