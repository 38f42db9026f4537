import { isIP, isIPv4, isIPv6 } from 'node:net';

/** One Redis, parsed from its URL. */
export interface RedisTarget {
  readonly kind: 'standalone' | 'sentinel' | 'cluster';
  readonly tls: boolean;
  /** One address for a standalone server; otherwise the servers to ask for the other nodes. */
  readonly hosts: readonly [RedisHost, ...RedisHost[]];
  readonly credentials: RedisCredentials;
  /** The number of the database; a Cluster has none but 0. */
  readonly database: number;
  /** Name of the master group; of Sentinel alone. */
  readonly master: string;
  /** 4 or 6: only addresses of that kind are resolved. 0: both. */
  readonly family: 0 | 4 | 6;
}

export interface RedisHost {
  readonly host: string;
  readonly port: number;
}

interface RedisCredentials {
  readonly username?: string;
  readonly password?: string;
}

/** The text is no valid URL of a Redis. The message never repeats any part of it: a password may be anywhere in it. */
export class RedisUrlError extends TypeError {
  override readonly name = 'RedisUrlError';
}

const KINDS = {
  redis: { kind: 'standalone', tls: false, port: 6379 },
  rediss: { kind: 'standalone', tls: true, port: 6379 },
  'redis+sentinel': { kind: 'sentinel', tls: false, port: 26_379 },
  'redis+cluster': { kind: 'cluster', tls: false, port: 6379 },
} as const;

const MAX_CHARACTERS = 4096;
const MAX_HOSTS = 64;
const MAX_PORT = 65_535;
/** Redis allows more databases, but has 16 by default: a longer number is a typing error. */
const MAX_DATABASE = 99_999;

/**
 * Reads `redis://`, `rediss://`, `redis+sentinel://[user:password@]host:port,…/master[/db]` and
 * `redis+cluster://[user:password@]host:port,…`, each with `?family=4` or `6` at its end if need be.
 *
 * @throws RedisUrlError for everything else: an ignored part would lead to another server or database.
 */
export function parseRedisUrl(text: string): RedisTarget {
  if (text.length > MAX_CHARACTERS) throw new RedisUrlError(`a Redis URL has at most ${MAX_CHARACTERS} characters`);
  const [, scheme, rest = ''] = /^(rediss?|redis\+sentinel|redis\+cluster):\/\/(.*)$/s.exec(text) ?? [];
  if (!scheme) {
    throw new RedisUrlError('a Redis URL starts with redis://, rediss://, redis+sentinel:// or redis+cluster://');
  }
  const { kind, tls, port } = KINDS[scheme as keyof typeof KINDS];
  // The last @ ends the login: a password may hold any character.
  const at = rest.lastIndexOf('@');
  const credentials = at < 0 ? {} : parseLogin(rest.slice(0, at));
  const [location = '', query, ...more] = rest.slice(at + 1).split('?');
  if (more.length > 0) throw new RedisUrlError('a Redis URL holds one ? at most after its hosts');
  const [authority = '', ...path] = location.split('/');
  const entries = authority.split(',');
  if (entries.length > (kind === 'standalone' ? 1 : MAX_HOSTS)) {
    throw new RedisUrlError(
      kind === 'standalone'
        ? 'a Redis URL names one host; for several there are redis+sentinel:// and redis+cluster://'
        : `a Redis URL names at most ${MAX_HOSTS} hosts`,
    );
  }
  const [first = '', ...others] = entries;
  return {
    kind,
    tls,
    hosts: [parseHost(first, port), ...others.map((entry) => parseHost(entry, port))],
    credentials,
    ...parsePath(kind, path),
    family: parseQuery(query),
  };
}

/** The target without its password, safe to show. */
export function describeRedis(target: RedisTarget): string {
  const { credentials, hosts, kind, tls, database, master, family } = target;
  const scheme = kind === 'standalone' ? (tls ? 'rediss' : 'redis') : `redis+${kind}`;
  const password = credentials.password === undefined ? '' : ':***';
  const login = credentials.username === undefined && !password ? '' : `${credentials.username ?? ''}${password}@`;
  const authority = hosts.map(({ host, port }) => `${isIPv6(host) ? `[${host}]` : host}:${port}`).join();
  const group = kind === 'sentinel' ? `/${master}` : '';
  const number = kind === 'cluster' ? '' : `/${database}`;
  return `${scheme}://${login}${authority}${group}${number}${family === 0 ? '' : `?family=${family}`}`;
}

function parseLogin(login: string): RedisCredentials {
  const colon = login.indexOf(':');
  // Some programs read a lone word as the user, others as the password.
  if (colon < 0) throw new RedisUrlError('the login of a Redis URL is written user:password@ or :password@');
  const username = decoded(login.slice(0, colon), 'the user');
  const password = decoded(login.slice(colon + 1), 'the password');
  // A user without a password sends an empty one: a `nopass` user accepts any.
  return username ? { username, password } : password ? { password } : {};
}

function decoded(text: string, what: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // The cause would repeat the text.
    throw new RedisUrlError(`${what} in a Redis URL holds a % that is no escape: write %25 for % itself`);
  }
}

function parseHost(entry: string, defaultPort: number): RedisHost {
  const [, host = '', colon, port = ''] = /^(\[[^\]]*\]|[^:[\]]*)(?:(:)(.*))?$/s.exec(entry) ?? [];
  const name = host.startsWith('[') ? host.slice(1, -1) : host;
  if (host.startsWith('[') ? !isIPv6(name) : !isHostName(name)) {
    throw new RedisUrlError(
      'a host in a Redis URL must be a name or an address, optionally with :port; write IPv6 as [address]',
    );
  }
  return { host: name, port: colon === undefined ? defaultPort : parsePort(port) };
}

/** Names as resolvers take them; what looks like an address has to be one. */
function isHostName(name: string): boolean {
  if (/^[\d.]+$/.test(name)) return isIPv4(name);
  return (
    isIP(name) === 0 &&
    name.length <= 253 &&
    /^[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?\.?$/.test(name) &&
    !name.includes('..')
  );
}

function parsePort(text: string): number {
  const port = /^[1-9]\d{0,4}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > MAX_PORT) throw new RedisUrlError(`a port in a Redis URL is a number from 1 to ${MAX_PORT}`);
  return port;
}

function parsePath(
  kind: RedisTarget['kind'],
  path: readonly string[],
): { readonly master: string; readonly database: number } {
  const [master, rest] = kind === 'sentinel' ? [decoded(path[0] ?? '', 'the master group'), path.slice(1)] : ['', path];
  if (kind === 'sentinel' && !/^[\x21-\x7e]{1,255}$/.test(master)) {
    throw new RedisUrlError('a redis+sentinel:// URL names the master group after the hosts: /name or /name/database');
  }
  if (rest.length > 1) throw new RedisUrlError('a Redis URL ends with the number of the database: nothing follows it');
  const [number = ''] = rest;
  const database = number === '' ? 0 : /^(?:0|[1-9]\d{0,4})$/.test(number) ? Number(number) : Number.NaN;
  if (!(database <= MAX_DATABASE)) {
    throw new RedisUrlError(`the database in a Redis URL is a number from 0 to ${MAX_DATABASE}`);
  }
  if (kind === 'cluster' && database !== 0) throw new RedisUrlError('a Redis Cluster has no database but 0');
  return { master, database };
}

function parseQuery(query: string | undefined): 0 | 4 | 6 {
  if (query === undefined || query === '') return 0;
  if (query === 'family=4') return 4;
  if (query === 'family=6') return 6;
  if (query === 'family=0') return 0;
  throw new RedisUrlError(
    'after the ? of a Redis URL only family=4 or family=6 is allowed; user, password and database are before the ?',
  );
}
