import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import type { JSONSchema, RestOperation } from '@unified-ws/protocol';
import fc from 'fast-check';
import { broken } from './broken.js';
import { anyObject, anything, nastyString } from './nasty.js';
import { Members, render } from './tree.js';
import { type Hints, validOf } from './valid.js';

/** The input of a route, as far as it has a schema. */
export interface RouteInput {
  readonly method: string;
  /** As in the router: `/queue/jobs/:id`. */
  readonly path: string;
  /** Null: not an operation of the table. */
  readonly operation: RestOperation | null;
  readonly body?: JSONSchema;
  readonly query?: JSONSchema;
}

/** The caller: the admin's token, the token of a user without permissions, none, or junk. */
type Asker = 'admin' | 'user' | 'nobody' | 'junk';

/** The bytes of a request, and what is known about it. */
export interface FuzzedRequest {
  readonly bytes: Buffer;
  /** The route of the request, if method and path certainly lead there. */
  readonly route: RouteInput | null;
  readonly asker: Asker;
  /** The request breaks HTTP: then the HTTP parser may answer, or nothing does. */
  readonly malformed: boolean;
  /** The body is shorter than announced. */
  readonly unfinished: boolean;
  readonly method: string;
}

export interface RequestArbitraries {
  readonly hints: Hints;
  readonly tokens: Readonly<Record<'admin' | 'user', string>>;
  /** Tokens that are never valid: forged, expired. */
  readonly badTokens: readonly string[];
}

/** Node.js accepts 16 KiB for the head of a request, and answers a longer one by itself. */
const MAX_HEAD = 15_000;
const OTHER_METHODS = ['HEAD', 'OPTIONS', 'PUT', 'PATCH', 'TRACE', 'DELETE', 'GET', 'POST', 'PROPFIND', 'QUERY'];

interface Body {
  readonly bytes: Buffer;
  readonly headers: readonly string[];
  readonly malformed?: boolean;
  readonly unfinished?: boolean;
}

/** In the form of a query: lists with commas, other values as in JSON. A value that is not an object is one word. */
function queryText(value: unknown): string {
  if (typeof value !== 'object' || value === null) return 'x';
  const members = value instanceof Members ? value.list : Object.entries(value);
  return members
    .map(([name, one]) => `${percent(name)}=${percent(Array.isArray(one) ? one.map(word).join(',') : word(one))}`)
    .join('&');
}

function word(value: unknown): string {
  return typeof value === 'string' ? value : render(value);
}

/** UTF-8 has no lone surrogates, and `encodeURIComponent` throws for one. */
function percent(text: string): string {
  return encodeURIComponent(Buffer.from(text).toString());
}

const JUNK_QUERY: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(
    'limit=1&limit=2',
    'limit[]=1',
    'limit[a]=1',
    'limit=1e3',
    'limit=-1',
    'limit=999999999999999',
    'limit=',
    'limit',
    '=',
    '&&&',
    '%',
    '%00=%00',
    '%ED%A0%80=1',
    '__proto__=1',
    '__proto__[x]=1',
    'constructor=1',
    'toString=x',
    'cursor=0-0',
    `cursor=${'9'.repeat(20)}-${'9'.repeat(20)}`,
    'cursor=18446744073709551615-18446744073709551615',
    'cursor=18446744073709551616-0',
    'cursor=zzzzzzzzz.__',
    'cursor=0.AA',
    'cursor=0.7aCA',
    'since=2026-02-30T00:00:00Z',
    'since=0000-01-01T00:00:00Z',
    'since=9999-12-31T23:59:59.999999999-23:59',
    'since=2026-11-23T25:00:00Z',
    'token=x',
    'healthy=yes',
    `user=${'u'.repeat(5000)}`,
    'user=%F0%9F%92%A5',
    'dry_run=true&dry_run=true',
    'states=waiting,,',
    'states=',
    'older_than_ms=99999999999999999999',
  ),
  fc
    .array(fc.tuple(nastyString, nastyString), { maxLength: 4 })
    .map((pairs) => pairs.map((pair) => pair.map(percent).join('=')).join('&')),
);

/** One segment of a path, percent-encoded. False: it may not lead to the route, or not be decodable. */
const parameter = (hint: fc.Arbitrary<unknown>): fc.Arbitrary<readonly [text: string, sure: boolean]> =>
  fc.oneof(
    { weight: 4, arbitrary: hint.map((value) => [percent(String(value)), true] as const) },
    {
      weight: 3,
      arbitrary: nastyString.filter((text) => !/^(\.\.?)?$/.test(text)).map((text) => [percent(text), true] as const),
    },
    {
      weight: 2,
      arbitrary: fc
        .constantFrom('%', '%zz', '%E0%A4%A', '%ED%A0%80', '%c0%af', '', '.', '..', '%2e%2e', 'a%2Fb', ';', '@', 'a/b')
        .map((text) => [text, false] as const),
    },
  );

const mediaType: fc.Arbitrary<readonly string[]> = fc.oneof(
  { weight: 12, arbitrary: fc.constant(['Content-Type: application/json']) },
  {
    weight: 3,
    arbitrary: fc
      .constantFrom(
        'application/json; charset=utf-8',
        'application/json;charset=UTF-16',
        'application/json; charset=x',
        'application/json; charset',
        'application/vnd.api+json',
        'text/plain',
        'application/x-www-form-urlencoded',
        'multipart/form-data; boundary=x',
        '/',
        ';',
        'application/json, text/plain',
      )
      .map((type) => [`Content-Type: ${type}`]),
  },
  { weight: 1, arbitrary: fc.constant([]) },
);

const BOMB = gzipSync(Buffer.alloc(20 * 1024 * 1024, 0x20));
const HUGE = Buffer.from(`{"event_type":"custom_event","data":{"x":"${'x'.repeat(1_100_000)}"}}`);

function plain(text: Buffer): Body {
  return { bytes: text, headers: [`Content-Length: ${text.length}`] };
}

/** Valid and invalid encodings of a body. */
function framed(text: string): fc.Arbitrary<Body> {
  const bytes = Buffer.from(text);
  const half = Math.floor(bytes.length / 2);
  const coded = (coding: string, body: Buffer): Body => ({
    bytes: body,
    headers: [`Content-Encoding: ${coding}`, `Content-Length: ${body.length}`],
  });
  const chunked = Buffer.concat([
    ...[bytes.subarray(0, half), bytes.subarray(half)]
      .filter(({ length }) => length > 0)
      .map((part) => Buffer.concat([Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n')])),
    Buffer.from('0\r\n\r\n'),
  ]);
  return fc.oneof(
    { weight: 24, arbitrary: fc.constant(plain(bytes)) },
    { weight: 3, arbitrary: fc.constant({ bytes: chunked, headers: ['Transfer-Encoding: chunked'] }) },
    {
      weight: 3,
      // Made when chosen: compressing in seven ways each time would take longer than everything else.
      arbitrary: fc
        .constantFrom(
          () => coded('gzip', gzipSync(bytes)),
          () => coded('deflate', deflateSync(bytes)),
          () => coded('br', brotliCompressSync(bytes)),
          () => coded('gzip', bytes),
          () => coded('gzip', gzipSync(bytes).subarray(0, -5)),
          () => coded('x', bytes),
          () => coded('identity', bytes),
        )
        .map((make) => make()),
    },
    {
      weight: 3,
      arbitrary: fc.constantFrom<Body>(
        { bytes, headers: [`Content-Length: ${bytes.length + 5}`], unfinished: true },
        { bytes: chunked.subarray(0, -4), headers: ['Transfer-Encoding: chunked'], unfinished: true },
        {
          bytes: Buffer.concat([bytes, Buffer.from('GET / HTTP/1.1\r\n\r\n')]),
          headers: [`Content-Length: ${bytes.length}`],
          malformed: true,
        },
        { bytes, headers: ['Content-Length: x'], malformed: true },
        { bytes, headers: ['Content-Length: 1', 'Content-Length: 2'], malformed: true },
        { bytes: chunked, headers: ['Content-Length: 3', 'Transfer-Encoding: chunked'], malformed: true },
        { bytes, headers: ['Transfer-Encoding: chunked'], malformed: true, unfinished: true },
        {
          bytes: Buffer.from('ffffffffffffffffff\r\n'),
          headers: ['Transfer-Encoding: chunked'],
          malformed: true,
          unfinished: true,
        },
      ),
    },
  );
}

const rawBody: fc.Arbitrary<Body> = fc.oneof(
  {
    weight: 1,
    arbitrary: fc.constantFrom<Body>(plain(HUGE), {
      bytes: BOMB,
      headers: ['Content-Encoding: gzip', `Content-Length: ${BOMB.length}`],
    }),
  },
  {
    weight: 12,
    arbitrary: fc
      .constantFrom(
        '',
        ' ',
        'null',
        '7',
        '"x"',
        '[]',
        '{',
        '\ufeff{}',
        'nonsense',
        '{}{}',
        `${'['.repeat(20_000)}${']'.repeat(20_000)}`,
      )
      .chain(framed),
  },
  { weight: 4, arbitrary: fc.uint8Array({ maxLength: 40 }).map((bytes) => plain(Buffer.from(bytes))) },
);

const header = (name: string, values: fc.Arbitrary<string>): fc.Arbitrary<string[]> =>
  values.map((value) => [`${name}: ${value.replace(/[^\x20-\x7e]/g, '')}`]);

/** Headers that routes or proxies may read. */
const extras: fc.Arbitrary<readonly string[]> = fc.oneof(
  { weight: 10, arbitrary: fc.constant([]) },
  {
    weight: 3,
    arbitrary: header('Idempotency-Key', fc.oneof(fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/), nastyString)),
  },
  { weight: 1, arbitrary: header('X-Forwarded-For', fc.oneof(fc.ipV4(), nastyString)) },
  { weight: 1, arbitrary: header('Accept', nastyString) },
  { weight: 1, arbitrary: header('Range', fc.constantFrom('bytes=0-1', 'bytes=9-1', 'x')) },
  { weight: 1, arbitrary: header('If-None-Match', fc.constantFrom('*', 'W/"x"', '')) },
  { weight: 1, arbitrary: header('Origin', fc.oneof(fc.constantFrom('null', 'https://x.example'), nastyString)) },
  { weight: 1, arbitrary: fc.constant(['Expect: 100-continue']) },
  { weight: 1, arbitrary: header('X-HTTP-Method-Override', fc.constant('DELETE')) },
);

/** Forms of the target: the right one, and those of a proxy or a smuggler. */
const FORMS: readonly ((target: string) => string)[] = [
  (target) => `http://127.0.0.1${target}`,
  (target) => `http://a:99999${target}`,
  (target) => `http://[::1${target}`,
  (target) => `http://${target}`,
  (target) => `x:${target}`,
  (target) => `/${target}`,
  (target) => `${target}#x`,
  (target) => `${target}?`,
  (target) => target.toUpperCase(),
  (target) => target.replace('/api', '/./api'),
  (target) => target.replace('/api', '/x/../api'),
  (target) => target.replace('/ws', '/ws/'),
  (target) => target.slice(0, -1),
  () => '*',
  () => '/',
  () => '',
];

/** Valid and invalid requests to a route. */
export function requestTo(
  route: RouteInput,
  { hints, tokens, badTokens }: RequestArbitraries,
): fc.Arbitrary<FuzzedRequest> {
  const names = [...route.path.matchAll(/:([a-z_]+)/g)].map(([, name = '']) => name);
  const parameters = fc.tuple(...names.map((name) => parameter(hints[name] ?? nastyString)));
  const queries =
    route.query === undefined
      ? JUNK_QUERY
      : fc.oneof(
          { weight: 3, arbitrary: validOf(route.query, hints).map(queryText) },
          {
            weight: 2,
            arbitrary: broken(validOf(route.query, hints)).map(queryText),
          },
          { weight: 2, arbitrary: JUNK_QUERY },
        );
  const query = fc.oneof(
    { weight: route.query === undefined ? 5 : 1, arbitrary: fc.constant('') },
    { weight: route.query === undefined ? 1 : 4, arbitrary: queries },
  );
  const valid = route.body === undefined ? null : validOf(route.body, hints);
  const json =
    valid === null
      ? fc.oneof({ weight: 4, arbitrary: fc.constant('') }, { weight: 1, arbitrary: anything.map(render) })
      : fc.oneof(
          { weight: 4, arbitrary: valid.map(render) },
          { weight: 4, arbitrary: broken(valid).map(render) },
          { weight: 1, arbitrary: fc.array(fc.oneof(valid, broken(valid)), { maxLength: 3 }).map(render) },
          { weight: 1, arbitrary: fc.oneof(anyObject, anything).map(render) },
        );
  const body: fc.Arbitrary<Body> = fc.oneof(
    {
      weight: 12,
      arbitrary: json.chain((text) =>
        text === '' ? fc.constant({ bytes: Buffer.alloc(0), headers: [] }) : framed(text),
      ),
    },
    { weight: valid === null ? 1 : 2, arbitrary: rawBody },
  );
  const method = fc.oneof(
    { weight: 9, arbitrary: fc.constant(route.method) },
    { weight: 1, arbitrary: fc.constantFrom(...OTHER_METHODS) },
  );
  const form = fc.oneof(
    { weight: 14, arbitrary: fc.constant(null) },
    { weight: 1, arbitrary: fc.constantFrom(...FORMS) },
  );
  const asker = fc.constantFrom<Asker>('admin', 'admin', 'admin', 'admin', 'admin', 'admin', 'user', 'nobody', 'junk');
  const junkAuth = fc.oneof(
    fc.constantFrom(...badTokens.map((token) => `Bearer ${token}`)),
    fc.constantFrom(
      'Bearer',
      'Bearer x.y.z',
      `Basic ${Buffer.from('a:b').toString('base64')}`,
      'bearer  ',
      `Bearer ${'x'.repeat(9000)}`,
      'Bearer e30.e30.',
    ),
    nastyString.map((text) => `Bearer ${text.replace(/[^\x21-\x7e]/g, '')}`),
  );
  return fc.tuple(method, parameters, query, body, mediaType, extras, form, asker, junkAuth).map((parts) => {
    const [verb, given, search, sent, type, more, shape, who, junk] = parts;
    let index = 0;
    const path = route.path.replace(/:[a-z_]+/g, () => given[index++]?.[0] ?? '');
    const target = `${path}${search === '' ? '' : `?${search}`}`;
    const authorization = who === 'nobody' ? [] : [`Authorization: ${who === 'junk' ? junk : `Bearer ${tokens[who]}`}`];
    const written = shape === null ? target : shape(target);
    const lines = [
      `${verb} ${written} HTTP/1.1`,
      'Host: x',
      'Connection: close',
      ...authorization,
      ...type,
      ...more,
      ...sent.headers,
    ];
    const sure = shape === null && verb === route.method && given.every(([, certain]) => certain);
    const head = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
    return {
      bytes: Buffer.concat([head, sent.bytes]),
      route: sure ? route : null,
      asker: who,
      malformed: sent.malformed === true || head.length > MAX_HEAD || written === '' || written.startsWith('x:'),
      unfinished: sent.unfinished === true,
      method: verb,
    };
  });
}
