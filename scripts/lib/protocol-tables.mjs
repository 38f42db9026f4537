import { Stop } from './entry.mjs';
import { PREDECESSOR_REPLIES, PREDECESSOR_REQUESTS } from './predecessor-messages.mjs';

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
  if (body?.schema.anyOf || body?.schema.properties?.event_type) return 'body: as `publish_event`';
  if (body) return `body: ${data(body.schema)}`;
  return query && Object.keys(query.properties).length > 0 ? `query: ${data(query)}` : 'none';
}

/** Who may use a REST operation. */
function allowed({ permissions }) {
  if (permissions === 'any') return 'any token';
  return permissions === null ? 'none' : permissions.map(code).join(' or ');
}

function table(head, rows) {
  const line = (cells) => `| ${cells.map((cell) => String(cell).replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), `|${head.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n');
}

const TESTS = '../test/wire/conformance';
const SCHEMA = 'asyncapi.json';
const LEGACY = '[MIGRATION.md](MIGRATION.md#the-legacy-endpoints)';
const EVENTS = 'kept: with scope, position, category and severity';

/** Where the tests of a message are; a message without one is an error. */
function testsOf(claims, kind, name) {
  const files = [...(claims.get(`${kind} ${name}`) ?? [])];
  if (files.length === 0) throw new Stop(`No test of test/wire/conformance claims ${kind} ${name}`);
  return files.map((file) => `[${file.replace(/\.test\.ts$/, '')}](${TESTS}/${file})`).join(', ');
}

/** Every message of this protocol and of the predecessor: who may send it, its schema, its tests. */
function everyMessage({ clientMessages, serverMessages }, claims) {
  const known = new Map([
    ...PREDECESSOR_REQUESTS.map(([name, ...rest]) => [`client ${name}`, rest]),
    ...PREDECESSOR_REPLIES.map(([name, ...rest]) => [`server ${name}`, rest]),
  ]);
  const row = (from, name, { permission, there }) => {
    const kind = from === 'client' ? 'client' : 'server';
    const [outcome = 'new', remark = ''] = known.get(`${kind} ${name}`) ?? [];
    if (there !== (outcome !== 'gone'))
      throw new Stop(`${name} of the ${from}: ${outcome}, but ${there ? 'there' : 'not there'}`);
    const told = remark === '' ? outcome : `${outcome}: ${remark}`;
    const schema = there ? `[${kind}.${name}](${SCHEMA})` : 'none';
    return [code(name), from, permission, schema, told, testsOf(claims, there ? kind : `gone_${kind}`, name)];
  };
  const gone = (list) => list.filter(([, outcome]) => outcome === 'gone').map(([name]) => name);
  return table(
    ['message', 'from', 'permission', 'schema', 'predecessor', 'test'],
    [
      ...Object.entries(clientMessages).map(([name, { permission }]) =>
        row('client', name, { permission: code(permission) || 'none', there: true }),
      ),
      ...gone(PREDECESSOR_REQUESTS).map((name) => row('client', name, { permission: '', there: false })),
      ...Object.keys(serverMessages).map((name) => row('server', name, { permission: '', there: true })),
      ['any event type', 'server', "the type's", `[event](${SCHEMA})`, EVENTS, testsOf(claims, 'server', 'event')],
      [
        code('deprecation'),
        'server',
        '',
        LEGACY,
        'new: on its own endpoints',
        testsOf(claims, 'legacy', 'deprecation'),
      ],
      ...gone(PREDECESSOR_REPLIES).map((name) => row('server', name, { permission: '', there: false })),
    ],
  );
}

/**
 * The tables of docs/PROTOCOL.md by the name in their marker, made from `@unified-ws/protocol`.
 *
 * @param claims of the conformance suite.
 */
export function protocolTables(protocol, claims) {
  const { closeCodes, errorCodes, permissions, clientMessages, serverMessages, restOperations, REST_BASE } = protocol;
  const afterwards = { never: 'stays away', new_token: 'gets a new token first', backoff: 'reconnects with backoff' };
  return {
    every_message: everyMessage(protocol, claims),
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
        allowed(one),
        one.summary,
      ]),
    ),
    server_messages: table(
      ['type', 'data', 'meaning'],
      Object.entries(serverMessages).map(([type, one]) => [code(type), data(one.data), one.meaning]),
    ),
  };
}
