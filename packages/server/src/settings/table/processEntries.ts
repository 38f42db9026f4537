import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { pid } from 'node:process';
import { choice, integer, type KnownValues, text } from './entry.js';

/** The process: its address, name and end. */
export const PROCESS = [
  integer('PORT', {
    section: 'Node',
    min: 0,
    max: 65_535,
    default: 8080,
    meaning: 'TCP port for WebSocket, REST and metrics; 0 chooses a free port.',
  }),
  text('HOST', {
    section: 'Node',
    schema: { pattern: '^[A-Za-z0-9.:_-]{1,255}$' },
    allowed: 'an IP address or a host name',
    default: { derive: hostOf, text: '`0.0.0.0`; `127.0.0.1` with the development secret' },
    meaning:
      'Address to listen on (`::` adds IPv6). With a key the default is every IPv4 interface, because the loopback address of a container cannot be reached from outside.',
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
    // No free text: with `prod` or `Production` none of the safety rules would apply, silently.
    values: ['development', 'test', 'production'],
    default: 'development',
    meaning:
      '`production` turns the safety rules on: no development secret, no open origins, issuer and audience required. The container image sets it.',
  }),
  integer('DRAIN_MS', {
    section: 'Node',
    min: 0,
    max: 600_000,
    default: 5000,
    meaning: 'Time to close the connections after SIGTERM, in milliseconds.',
  }),
] as const;

/** By default, only a node with a key of its own listens to other machines. */
function hostOf({ nodeEnv, jwtSecret, jwtPublicKey, jwtJwksUrl, jwtIssuers }: KnownValues): string {
  const secrets = Array.isArray(jwtSecret) ? jwtSecret.length : 0;
  const keyed = secrets > 0 || [jwtPublicKey, jwtJwksUrl, jwtIssuers].some((given) => (given ?? null) !== null);
  return keyed || nodeEnv === 'production' ? '0.0.0.0' : '127.0.0.1';
}

/** Nodes of the same name would share metrics and admin answers. The random part keeps clones of a container apart. */
function randomNodeId(): string {
  const host =
    hostname()
      .replace(/[^A-Za-z0-9._-]/g, '-')
      .slice(0, 32) || 'node';
  return `${host}-${pid}-${randomBytes(3).toString('hex')}`;
}
