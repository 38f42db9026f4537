import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { pid } from 'node:process';
import { ALGORITHMS, type Algorithm } from '../auth/algorithms.js';
import { boolean, choice, type Entry, integer, list, optionalText, type PropertyOf, proxy, text } from './entry.js';

/** Timers of Node.js take no more; a longer one would fire at once. */
const MAX_TIMER_MS = 2_147_483_647;
const MIB = 1_048_576;

/** C6: by then the displaced owner's right to deliver has run out, a second before its lease. */
export const REPLACE_MARGIN_MS = 1000;

const REDIS_URL_FORMS =
  'redis://[user:password@]host[:port][/db], rediss://…, redis+sentinel://[user:password@]host[:port],…/master[/db], or redis+cluster://[user:password@]host[:port],…';

/** Every setting, in the order of docs/CONFIG.md. */
export const ENTRIES = [
  integer('PORT', {
    section: 'Node',
    min: 0,
    max: 65_535,
    default: 8080,
    meaning: 'TCP port for WebSocket, REST and metrics; 0 takes a free one.',
  }),
  text('HOST', {
    section: 'Node',
    schema: { pattern: '^[A-Za-z0-9.:_-]{1,255}$' },
    allowed: 'an IP address or a host name',
    default: '0.0.0.0',
    meaning:
      'Address to listen on; every IPv4 interface by default, because in a container the loopback address cannot be reached from outside (`::` adds IPv6, `127.0.0.1` keeps a node to its machine).',
  }),
  text('NODE_ID', {
    section: 'Node',
    schema: { pattern: '^[A-Za-z0-9._-]{1,64}$' },
    allowed: '1 to 64 of the characters A-Z a-z 0-9 . _ -',
    default: { derive: randomNodeId, text: '`<host>-<pid>-<random>`' },
    meaning: 'Name of the node in leases, metrics and admin answers; with `NODES` > 1 the workers add `-<n>`.',
  }),
  integer('NODES', {
    section: 'Node',
    min: 1,
    max: 128,
    default: 1,
    meaning: 'Node processes that share the port in this container.',
  }),
  choice('NODE_ENV', {
    section: 'Node',
    // No free text: `prod` or `Production` would silently mean none of the safety rules.
    values: ['development', 'test', 'production'],
    default: 'development',
    meaning:
      '`production` turns the safety rules on: no development secret, no open origins, issuer and audience compulsory.',
  }),
  integer('DRAIN_MS', {
    section: 'Node',
    min: 0,
    max: 600_000,
    default: 5000,
    meaning: 'Time given to closing the connections after SIGTERM, in milliseconds.',
  }),

  text('REDIS_URL', {
    section: 'Redis',
    schema: { format: 'redis-url' },
    allowed: REDIS_URL_FORMS,
    default: 'redis://127.0.0.1:6379',
    meaning: 'The Redis (7.0 or newer, `noeviction`) that all nodes of the cluster share.',
  }),
  optionalText('REDIS_QUEUE_URL', {
    section: 'Redis',
    schema: { format: 'redis-url' },
    allowed: REDIS_URL_FORMS,
    meaning: 'A Redis of its own for the event queue; without it the queue is in `REDIS_URL`.',
  }),
  text('REDIS_PREFIX', {
    section: 'Redis',
    // A brace would be taken for a hash tag, and a script's keys would lie in different slots.
    schema: { pattern: '^[A-Za-z0-9:._-]{1,32}$' },
    allowed: '1 to 32 of the characters A-Z a-z 0-9 : . _ -',
    default: 'uws',
    meaning: 'First part of every Redis key; clusters with different prefixes share a Redis without seeing each other.',
  }),
  integer('REDIS_COMMAND_TIMEOUT_MS', {
    section: 'Redis',
    min: 50,
    max: 60_000,
    default: 1500,
    meaning: 'Time after which a Redis command counts as unanswered, in milliseconds.',
  }),

  list('JWT_SECRET', {
    section: 'Tokens',
    secret: true,
    items: { minLength: 1 },
    allowed: 'one or more texts without commas, comma-separated; in production each of at least 32 bytes',
    default: [],
    meaning:
      'Secrets for the HS algorithms, newest first: the first signs, all verify; a development secret stands in outside production when no key is configured at all.',
  }),
  optionalText('JWT_PUBLIC_KEY', {
    section: 'Tokens',
    schema: { minLength: 1 },
    allowed: 'PEM text or the path of a PEM file, with one or more RSA (2048 bits or more), RSA-PSS or EC public keys',
    meaning: 'Public keys for the RS, PS and ES algorithms (no EdDSA: `jsonwebtoken` does not implement it).',
  }),
  optionalText('JWT_JWKS_URL', {
    section: 'Tokens',
    schema: { format: 'http-url' },
    allowed: 'an http:// or https:// URL without user and password',
    meaning:
      'Key set of the issuer, for the RS, PS and ES algorithms; needs `JWT_ISSUER` and excludes `JWT_PUBLIC_KEY`.',
  }),
  optionalText('JWT_ISSUER', {
    section: 'Tokens',
    schema: { maxLength: 512 },
    allowed: 'a text of up to 512 characters',
    meaning: 'Required value of the `iss` claim; not checked when unset, compulsory in production.',
  }),
  list('JWT_AUDIENCE', {
    section: 'Tokens',
    items: { maxLength: 512 },
    allowed: 'texts of up to 512 characters, comma-separated',
    default: [],
    meaning:
      'Accepted values of the `aud` claim, one of which must be there; not checked when unset, compulsory in production.',
  }),
  list<'JWT_ALGORITHMS', Algorithm>('JWT_ALGORITHMS', {
    section: 'Tokens',
    items: { enum: ALGORITHMS },
    allowed: `any of ${ALGORITHMS.join(', ')}, comma-separated`,
    default: ALGORITHMS,
    meaning: 'Accepted signature algorithms; each key verifies those of them that fit its kind, and no other.',
  }),
  integer('MAX_TOKEN_AGE_MS', {
    section: 'Tokens',
    min: 60_000,
    max: 31_536_000_000,
    // A week is a common life of tokens that apps keep, a month about the longest.
    default: 2_592_000_000,
    meaning:
      'How long it is remembered what was said of tokens (revocations, `permissions-changed`), in milliseconds. Set it longer than your longest token lives: one that outlives it comes back to life.',
  }),
  integer('TOKEN_NOTICE_MS', {
    section: 'Tokens',
    min: 100,
    max: 3_600_000,
    default: 60_000,
    meaning:
      'How long before the end of its token a connection is told (`token_expiring`), in milliseconds; at most half of the life of the token.',
  }),
  integer('TOKEN_GRACE_MS', {
    section: 'Tokens',
    min: 100,
    max: 3_600_000,
    default: 30_000,
    meaning:
      'Time that a connection has to bring a new token (`refresh_token`) after its own has ended, in milliseconds; then it is closed with 4101. After the `exp` of a token it is never less than the 5 seconds that clocks may differ by.',
  }),

  list('ALLOWED_ORIGINS', {
    section: 'Edge and limits',
    items: { format: 'origin' },
    allowed:
      'origins such as https://app.example.com (scheme, host, port; no path), comma-separated, or * outside production',
    default: ['*'],
    productionDefault: [],
    meaning:
      'Web pages that may connect, by the `Origin` header; a client that is no browser sends none and is not affected.',
  }),
  proxy('TRUST_PROXY', {
    section: 'Edge and limits',
    meaning: 'Whose `X-Forwarded-For` is believed: nobody, the last so many hops, or proxies at these addresses.',
  }),
  integer('MAX_CONNECTIONS', {
    section: 'Edge and limits',
    min: 1,
    max: 1_000_000,
    default: 50_000,
    meaning: 'Connections that one node takes.',
  }),
  integer('MAX_PENDING_AUTH', {
    section: 'Edge and limits',
    min: 1,
    max: 1_000_000,
    default: 1000,
    meaning:
      'Connections of a node that may be waiting for their authentication at one time; beyond it those alone are taken that bring a token in their upgrade, up to twice as many.',
  }),
  integer('AUTH_TIMEOUT_MS', {
    section: 'Edge and limits',
    min: 50,
    max: 300_000,
    default: 10_000,
    meaning: 'Time that a connection has to present its token, in milliseconds.',
  }),
  integer('CONNECT_RATE_PER_IP', {
    section: 'Edge and limits',
    min: 0,
    max: 100_000,
    default: 0,
    productionDefault: 50,
    meaning: 'Connection attempts per second and client address (IPv6: /64 network) that a node takes; 0 = no limit.',
  }),
  integer('CONNECT_BURST_PER_IP', {
    section: 'Edge and limits',
    min: 1,
    max: 1_000_000,
    default: 200,
    meaning: 'Connection attempts that one client address may make at once, above the rate.',
  }),
  integer('AUTH_FAILURE_RATE', {
    section: 'Edge and limits',
    min: 0,
    max: 100_000,
    default: 0,
    productionDefault: 5,
    meaning:
      'Forged tokens per second and client address (IPv6: /64 network) that a node answers in full; further ones get HTTP 429 before the upgrade. Good tokens are never refused for it. 0 = no limit.',
  }),
  integer('AUTH_FAILURE_BURST', {
    section: 'Edge and limits',
    min: 1,
    max: 1_000_000,
    default: 100,
    meaning: 'Forged tokens that one client address may send at once, above the rate.',
  }),
  choice('COMPRESSION', {
    section: 'Edge and limits',
    values: ['on', 'off'],
    default: 'on',
    meaning:
      '`on` negotiates permessage-deflate with clients that offer it, and compresses the events of users who want it (`compress_data`). Browsers then compress what they send: about 11 kB of memory more per connection that did.',
  }),
  integer('MAX_PAYLOAD', {
    section: 'Edge and limits',
    min: 1024,
    max: 16 * MIB,
    default: 65_536,
    meaning: 'Largest message that a client may send, in bytes.',
  }),
  integer('MAX_SUBSCRIPTIONS', {
    section: 'Edge and limits',
    min: 1,
    max: 2000,
    default: 200,
    meaning: 'Subscriptions that a connection may hold.',
  }),
  integer('MESSAGE_RATE', {
    section: 'Edge and limits',
    min: 1,
    max: 100_000,
    default: 100,
    meaning: 'Messages per second that a connection may send; pings and pongs count as messages.',
  }),
  integer('MESSAGE_BURST', {
    section: 'Edge and limits',
    min: 1,
    max: 1_000_000,
    default: 200,
    meaning: 'Messages that a connection may send at once, above the rate.',
  }),
  integer('MAX_CONSECUTIVE_ERRORS', {
    section: 'Edge and limits',
    min: 1,
    max: 1000,
    default: 5,
    meaning: 'Bad messages in a row after which a connection is closed with 4008.',
  }),
  integer('MAX_BUFFERED_BYTES', {
    section: 'Edge and limits',
    min: 16_384,
    max: 1024 * MIB,
    default: MIB,
    meaning:
      'Bytes of replies that may wait for a peer which does not read them, before it is ended as too slow. Events do not wait there: a slow connection keeps a position.',
  }),
  integer('RECOVERY_DELAY_MS', {
    section: 'Edge and limits',
    min: 10,
    max: 30_000,
    default: 1000,
    meaning:
      'Until the first test of a connection whose peer takes less than it is sent, in milliseconds; doubles with each test, up to 30 s.',
  }),
  integer('RECOVERY_ATTEMPTS', {
    section: 'Edge and limits',
    min: 1,
    max: 20,
    default: 5,
    meaning: 'Tests of such a connection before it is ended as too slow (4201).',
  }),
  boolean('LEGACY_ENDPOINTS', {
    section: 'Edge and limits',
    default: false,
    meaning:
      'Serve the endpoints of the predecessor (`/ws/<group>` and `/api/websocket/ws/<group>`) beside the unified one while clients move; see MIGRATION.md.',
  }),

  choice('CONNECTION_POLICY', {
    section: 'One connection per user',
    values: ['replace', 'reject'],
    default: 'replace',
    meaning: 'What a second connection of a user does: it replaces the first, or it is refused with 4010.',
  }),
  integer('LEASE_TTL_MS', {
    section: 'One connection per user',
    // Renewed every second, and the right to deliver ends a second before the lease (C6): less would flap.
    min: 3000,
    max: 60_000,
    default: 5000,
    meaning: "Time after which a node that does not renew its lease has lost its users' connections, in milliseconds.",
  }),
  integer('REPLACE_TIMEOUT_MS', {
    section: 'One connection per user',
    min: 3000 + REPLACE_MARGIN_MS,
    max: 120_000,
    default: {
      derive: (known) => Number(known.leaseTtlMs) + REPLACE_MARGIN_MS,
      text: `\`LEASE_TTL_MS\` + ${REPLACE_MARGIN_MS}`,
    },
    meaning: `Time that a new connection waits for the confirmed end of the displaced one, in milliseconds; at least \`LEASE_TTL_MS\` + ${REPLACE_MARGIN_MS}.`,
  }),
  integer('COMMAND_TIMEOUT_MS', {
    section: 'One connection per user',
    min: 100,
    max: 60_000,
    default: 2000,
    meaning: 'Time within which an admin command to the node that owns a user is answered, in milliseconds.',
  }),
  integer('SWEEP_INTERVAL_MS', {
    section: 'One connection per user',
    min: 100,
    max: MAX_TIMER_MS,
    default: 30_000,
    meaning: 'Time in which a node compares all its users with the registry once, in milliseconds.',
  }),

  integer('PING_INTERVAL_MS', {
    section: 'Liveness',
    min: 50,
    max: MAX_TIMER_MS,
    default: 25_000,
    meaning: 'Time between two WebSocket pings to a quiet connection, in milliseconds.',
  }),
  integer('PING_TIMEOUT_MS', {
    section: 'Liveness',
    min: 50,
    max: MAX_TIMER_MS,
    default: 10_000,
    meaning: 'Time after a ping without any byte from the client, after which the connection is lost, in milliseconds.',
  }),
  integer('HEARTBEAT_INTERVAL_MS', {
    section: 'Liveness',
    min: 50,
    max: MAX_TIMER_MS,
    default: 25_000,
    meaning: 'Time between two `heartbeat` messages, in milliseconds.',
  }),

  integer('HISTORY_SIZE', {
    section: 'Events',
    min: 1,
    max: 100_000_000,
    default: 100_000,
    meaning: 'Broadcast events kept in the log for catching up.',
  }),
  integer('HISTORY_BYTES', {
    section: 'Events',
    min: MIB,
    max: 64 * 1024 * MIB,
    default: 64 * MIB,
    meaning: 'Size of the broadcast log, in bytes.',
  }),
  integer('HISTORY_TTL_MS', {
    section: 'Events',
    min: 1000,
    max: 30 * 86_400_000,
    default: 3_600_000,
    meaning: 'Time that a broadcast event stays in the log, in milliseconds.',
  }),
  integer('MAILBOX_SIZE', {
    section: 'Events',
    min: 1,
    max: 10_000,
    default: 100,
    meaning: 'Events kept in the mailbox of a user until they are acknowledged; of more the newest.',
  }),
  integer('MAILBOX_BYTES', {
    section: 'Events',
    min: MIB / 4,
    max: 64 * MIB,
    default: 4 * MIB,
    meaning: 'Size of the mailbox of a user, in bytes.',
  }),
  integer('MAILBOX_TTL_MS', {
    section: 'Events',
    min: 1000,
    max: 30 * 86_400_000,
    default: 86_400_000,
    meaning: 'Time that an event stays in a mailbox, in milliseconds; the oldest go when another comes.',
  }),
  integer('WINDOW_SIZE', {
    section: 'Events',
    min: 1,
    max: 1_000_000,
    default: 10_000,
    meaning:
      'Newest broadcast events that a node keeps in memory for connections that are behind; older ones come from Redis.',
  }),
  integer('WINDOW_BYTES', {
    section: 'Events',
    min: 1024,
    max: 1024 * MIB,
    default: 16 * MIB,
    meaning: 'Bytes of those events, as JSON; the frames made of them come on top.',
  }),
  integer('EVENT_QUEUE_PARTITIONS', {
    section: 'Events',
    min: 1,
    max: 64,
    default: 8,
    meaning: 'Queues that the events are spread over by ordering key; fixed when the cluster first starts (Q7).',
  }),
  integer('EVENT_QUEUE_MAX', {
    section: 'Events',
    min: 1,
    max: 10_000_000,
    default: 100_000,
    meaning: 'Waiting jobs above which publishing is refused; a soft bound.',
  }),
  integer('WORKER_STALL_MS', {
    section: 'Events',
    min: 1000,
    max: 600_000,
    default: 15_000,
    meaning: 'A queue whose next job nobody starts for this long gets a new worker, and shows in /readyz.',
  }),

  optionalText('EVENT_CATALOGUE', {
    section: 'Events',
    schema: { pattern: '^[^\\u0000-\\u001f]{1,4096}$' },
    allowed: 'the path of a JSON file',
    meaning:
      'Event catalogue of your own; unset: the one that comes with the product. Read at start, on SIGHUP and on `POST /catalogue/reload`.',
  }),

  optionalText('METRICS_TOKEN', {
    section: 'Operations',
    secret: true,
    schema: { pattern: '^[\\x21-\\x7e]{1,512}$' },
    allowed: 'up to 512 printable ASCII characters without blanks',
    meaning: 'Bearer token of `/metrics`; unset: open outside production, 404 in it.',
  }),
  choice('LOG_LEVEL', {
    section: 'Operations',
    values: ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'],
    default: 'info',
    meaning: 'Least severity that is logged.',
  }),
] as const;

type ValueOf<T> = T extends Entry<string, infer V> ? V : never;

/** Every setting by its property: `LEASE_TTL_MS` is `leaseTtlMs`. */
export type SettingValues = {
  readonly [N in (typeof ENTRIES)[number] as PropertyOf<N['env']>]: ValueOf<N>;
};

/** Two nodes of one name would share metrics and admin answers: the random part keeps clones of a container apart. */
function randomNodeId(): string {
  const host =
    hostname()
      .replace(/[^A-Za-z0-9._-]/g, '-')
      .slice(0, 32) || 'node';
  return `${host}-${pid}-${randomBytes(3).toString('hex')}`;
}
