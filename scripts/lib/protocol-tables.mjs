/** `user_id: string, reason?: string` for an object schema; nested objects in braces. */
function fields({ properties = {}, required = [] }) {
  return Object.entries(properties)
    .map(([name, schema]) => `${name}${required.includes(name) ? '' : '?'}: ${typeOf(schema)}`)
    .join(', ');
}

/** Longer lists of values have a table of their own. */
const MAX_VALUES = 6;

function typeOf(schema) {
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum?.length > MAX_VALUES) return 'string';
  if (schema.enum) return union(schema.enum.map((value) => JSON.stringify(value)));
  const variants = schema.anyOf ?? schema.oneOf;
  if (variants) return union(variants.map(typeOf));
  if (Array.isArray(schema.type)) return union(schema.type);
  if (schema.type === 'array') return `${schema.items ? typeOf(schema.items) : 'any'}[]`;
  if (schema.type === 'object') return schema.properties ? `{${fields(schema)}}` : 'object';
  return schema.type ?? 'any';
}

function union(types) {
  return types.length > 1 ? `(${types.join(' | ')})` : types[0];
}

const code = (text) => (text ? `\`${text}\`` : '');
const yesNo = (value) => (value ? 'yes' : 'no');

function data(schema) {
  return code(fields(schema) && `{${fields(schema)}}`) || 'none';
}

/** What an operation takes; a body that has a page of its own is named. */
function input({ query, body }) {
  if (body?.schema.anyOf || body?.schema.properties.event_type) return 'body: as `publish_event`';
  if (body) return `body: ${data(body.schema)}`;
  return query && Object.keys(query.properties).length > 0 ? `query: ${data(query)}` : 'none';
}

function table(head, rows) {
  const line = (cells) => `| ${cells.map((cell) => String(cell).replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), `|${head.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n');
}

function permissionOf({ permissions }) {
  if (permissions === null) return 'none';
  return permissions === 'any' ? 'any token' : permissions.map(code).join(' or ');
}

/** The tables of docs/PROTOCOL.md by the name in their marker, made from `@unified-ws/protocol`. */
export function protocolTables(protocol) {
  const { closeCodes, errorCodes, permissions, clientMessages, serverMessages, restOperations, REST_BASE } = protocol;
  const afterwards = { never: 'stays away', new_token: 'gets a new token first', backoff: 'reconnects with backoff' };
  return {
    close_codes: table(
      ['code', 'name', 'meaning', 'the client then'],
      closeCodes.map((one) => [one.code, code(one.name), one.meaning, afterwards[one.reconnect]]),
    ),
    error_codes: table(
      ['code', 'HTTP', 'recoverable', 'meaning'],
      Object.entries(errorCodes).map(([name, one]) => [code(name), one.http, yesNo(one.recoverable), one.meaning]),
    ),
    permissions: table(
      ['permission', 'allows to'],
      Object.entries(permissions).map(([name, meaning]) => [code(name), meaning]),
    ),
    client_messages: table(
      ['type', 'data', 'permission', 'reply', 'meaning'],
      Object.entries(clientMessages).map(([type, one]) => [
        code(type),
        data(one.data),
        code(one.permission) || 'none',
        code(one.reply) || 'none',
        one.meaning,
      ]),
    ),
    rest_operations: table(
      ['operation', 'query or body', 'permission', 'meaning'],
      Object.values(restOperations).map((one) => [
        code(`${one.method.toUpperCase()} ${one.path.replace(`${REST_BASE}/`, '/').replace(/\{(\w+)\}/g, ':$1')}`),
        input(one),
        permissionOf(one),
        one.summary,
      ]),
    ),
    server_messages: table(
      ['type', 'data', 'meaning'],
      Object.entries(serverMessages).map(([type, one]) => [code(type), data(one.data), one.meaning]),
    ),
  };
}
