import { MIB } from './bounds.js';
import { boolean, choice, integer, list, proxy } from './entry.js';

/** Who may connect, and how much each connection may send and hold. */
export const EDGE = [
  list('ALLOWED_ORIGINS', {
    section: 'Edge and limits',
    items: { format: 'origin' },
    allowed:
      'origins such as https://app.example.com (scheme, host, port; no path), comma-separated; same-host; * outside production',
    default: ['*'],
    productionDefault: [],
    meaning:
      'Web pages that may connect, by the `Origin` header, which every browser sends. A request without `Origin` is accepted. `same-host` adds every origin with the host and port of the request: some libraries derive `Origin` from the URL (Python: `websocket-client`).',
  }),
  proxy('TRUST_PROXY', {
    section: 'Edge and limits',
    meaning:
      'Whose `X-Forwarded-For` is trusted: nobody, a number of hops from the end, or proxies at these addresses.',
  }),
  integer('MAX_CONNECTIONS', {
    section: 'Edge and limits',
    min: 1,
    max: 1_000_000,
    default: 50_000,
    meaning: 'Connections that one node accepts.',
  }),
  integer('MAX_PENDING_AUTH', {
    section: 'Edge and limits',
    min: 1,
    max: 1_000_000,
    default: 1000,
    meaning:
      'Connections of a node that may wait for authentication at the same time. Beyond it only upgrades with a token are accepted, up to twice as many.',
  }),
  integer('AUTH_TIMEOUT_MS', {
    section: 'Edge and limits',
    min: 50,
    max: 300_000,
    default: 10_000,
    meaning: 'Time that a connection has to send its token, in milliseconds.',
  }),
  integer('CONNECT_RATE_PER_IP', {
    section: 'Edge and limits',
    min: 0,
    max: 100_000,
    default: 0,
    productionDefault: 50,
    meaning: 'Connection attempts per second and client address (IPv6: /64 network); 0 = no limit.',
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
      'Forged tokens per second and client address (IPv6: /64 network) that are answered after an upgrade; more get HTTP 429 before it. Valid tokens are never refused because of this. 0 = no limit.',
  }),
  integer('AUTH_FAILURE_BURST', {
    section: 'Edge and limits',
    min: 1,
    max: 1_000_000,
    default: 100,
    meaning: 'Forged tokens that one client address may send at once, above the rate.',
  }),
  integer('HTTP_RATE_PER_IP', {
    section: 'Edge and limits',
    min: 0,
    max: 1_000_000,
    default: 100,
    meaning:
      'Plain HTTP requests per second and client address (IPv6: /64 network) without a valid token, and five times as many at once. More get 429 before any work; probes get the answer of the last second. 0 = no limit.',
  }),
  integer('HTTP_RATE_PER_CALLER', {
    section: 'Edge and limits',
    min: 0,
    max: 1_000_000,
    default: 500,
    meaning:
      'Plain HTTP requests per second of one user with a valid token, and five times as many at once. More get 429. Publishes do not count, because the queue limits them. 0 = no limit.',
  }),
  integer('KEEP_ALIVE_TIMEOUT_MS', {
    section: 'Edge and limits',
    min: 1000,
    max: 3_600_000,
    default: 75_000,
    meaning:
      'Time for which an idle HTTP connection is kept open, in milliseconds; longer than the balancer keeps it (usually 60 s), or some requests meet a connection that is just being closed.',
  }),
  choice('COMPRESSION', {
    section: 'Edge and limits',
    values: ['on', 'off'],
    default: 'on',
    meaning:
      '`on` negotiates permessage-deflate with clients that offer it, and compresses events for users who chose `compress_data`. Browsers then compress what they send, which costs about 11 kB of memory per connection.',
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
      'Bytes of unread replies that may wait for a client, before its connection is closed as too slow. Events do not wait there: a slow connection keeps a position.',
  }),
  integer('RECOVERY_DELAY_MS', {
    section: 'Edge and limits',
    min: 10,
    max: 30_000,
    default: 1000,
    meaning:
      'Time until the first test of a connection that reads too slowly, in milliseconds; doubles with each test, up to 30 s.',
  }),
  integer('RECOVERY_ATTEMPTS', {
    section: 'Edge and limits',
    min: 1,
    max: 20,
    default: 5,
    meaning: 'Tests of such a connection before it is closed as too slow (4201).',
  }),
  boolean('LEGACY_ENDPOINTS', {
    section: 'Edge and limits',
    default: false,
    meaning:
      'Serve the endpoints of the predecessor (`/ws/<group>` and `/api/websocket/ws/<group>`) beside the unified one while clients move; see MIGRATION.md.',
  }),
] as const;
