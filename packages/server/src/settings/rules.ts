import { createSecretKey, type KeyObject } from 'node:crypto';
import { type Algorithm, algorithmsOf, PUBLIC_KEY_ALGORITHMS } from '../auth/algorithms.js';
import { IssuersError, loadIssuers } from '../auth/issuers.js';
import { loadPublicKeys, PublicKeyError } from '../auth/publicKeys.js';
import { DEVELOPMENT_SECRET, isLoopback } from './developmentSecret.js';
import { quotedValue } from './mask.js';
import type { SettingsProblem } from './settingsError.js';
import { REPLACE_MARGIN_MS, type SettingValues } from './table/entries.js';

/** RFC 7518 §3.2: a key as long as the hash output. */
const MIN_SECRET_BYTES = 32;

/** A rule between settings. It is skipped when one of the settings it reads is invalid, because its message would mislead. */
interface Rule {
  readonly reads: readonly (keyof SettingValues)[];
  readonly check: (values: SettingValues) => readonly SettingsProblem[];
}

const OPEN = { secret: false };

const production = (values: SettingValues): boolean => values.nodeEnv === 'production';

type Keys = Pick<SettingValues, 'jwtSecret' | 'jwtPublicKey' | 'jwtJwksUrl' | 'jwtIssuers'>;

const keyed = ({ jwtSecret, jwtPublicKey, jwtJwksUrl }: Keys): boolean =>
  jwtSecret.length > 0 || jwtPublicKey !== null || jwtJwksUrl !== null;

/** False when all issuers are in the file of JWT_ISSUERS. */
const ownIssuer = (values: Keys): boolean => keyed(values) || values.jwtIssuers === null;

const when = (wrong: boolean, setting: string, message: string): readonly SettingsProblem[] =>
  wrong ? [{ setting, message }] : [];

export const RULES: readonly Rule[] = [
  {
    reads: ['leaseTtlMs', 'replaceTimeoutMs'],
    check: ({ leaseTtlMs, replaceTimeoutMs }) =>
      when(
        replaceTimeoutMs < leaseTtlMs + REPLACE_MARGIN_MS,
        'REPLACE_TIMEOUT_MS',
        `${replaceTimeoutMs} is less than LEASE_TTL_MS + ${REPLACE_MARGIN_MS} = ${leaseTtlMs + REPLACE_MARGIN_MS}: the replaced connection could still deliver`,
      ),
  },
  {
    reads: ['jwtSecret', 'jwtPublicKey', 'jwtJwksUrl', 'jwtIssuers'],
    check: (values) =>
      when(
        !keyed(values) && values.jwtIssuers === null,
        'JWT_SECRET',
        'nothing to verify tokens with: set JWT_SECRET, JWT_PUBLIC_KEY, JWT_JWKS_URL or JWT_ISSUERS',
      ),
  },
  {
    reads: ['jwtIssuers', 'jwtIssuer', 'jwtSecret', 'jwtPublicKey', 'jwtJwksUrl'],
    check: (values) => [
      ...when(
        values.jwtIssuers !== null && keyed(values) && values.jwtIssuer === null,
        'JWT_ISSUER',
        'required with JWT_ISSUERS: otherwise a token of any other issuer would be taken for one of yours',
      ),
      ...issuersProblems(values),
    ],
  },
  {
    reads: ['jwtSecret', 'nodeEnv'],
    check: (values) => (production(values) ? values.jwtSecret.flatMap(weakSecret) : []),
  },
  {
    reads: ['jwtSecret', 'nodeEnv', 'host', 'allowDevelopmentSecret'],
    check: (values) =>
      when(
        !production(values) &&
          values.jwtSecret.includes(DEVELOPMENT_SECRET) &&
          !isLoopback(values.host) &&
          !values.allowDevelopmentSecret,
        'JWT_SECRET',
        `everybody knows the development secret, and HOST ${quotedValue(OPEN, values.host)} is no loopback address: set JWT_SECRET (openssl rand -hex 32), HOST=127.0.0.1, or ALLOW_DEVELOPMENT_SECRET=true`,
      ),
  },
  {
    reads: ['jwtIssuer', 'nodeEnv', 'jwtIssuers', 'jwtSecret', 'jwtPublicKey', 'jwtJwksUrl'],
    check: (values) =>
      when(
        production(values) && values.jwtIssuer === null && ownIssuer(values) && values.jwtIssuers === null,
        'JWT_ISSUER',
        'required in production',
      ),
  },
  {
    reads: ['jwtAudience', 'nodeEnv', 'jwtIssuers', 'jwtSecret', 'jwtPublicKey', 'jwtJwksUrl'],
    check: (values) =>
      when(
        production(values) && values.jwtAudience.length === 0 && ownIssuer(values),
        'JWT_AUDIENCE',
        'required in production',
      ),
  },
  {
    reads: ['allowedOrigins', 'nodeEnv'],
    check: (values) => [
      ...when(
        production(values) && values.allowedOrigins.length === 0,
        'ALLOWED_ORIGINS',
        'required in production: the origins of the web pages that may connect',
      ),
      ...when(
        production(values) && values.allowedOrigins.includes('*'),
        'ALLOWED_ORIGINS',
        '"*" is not allowed in production: list the origins',
      ),
    ],
  },
  {
    reads: ['jwtJwksUrl', 'jwtIssuer'],
    check: (values) =>
      when(
        values.jwtJwksUrl !== null && values.jwtIssuer === null,
        'JWT_ISSUER',
        'required with JWT_JWKS_URL: a key set is valid for one issuer',
      ),
  },
  {
    reads: ['jwtJwksUrl', 'jwtPublicKey'],
    check: (values) =>
      when(
        values.jwtJwksUrl !== null && values.jwtPublicKey !== null,
        'JWT_PUBLIC_KEY',
        'excludes JWT_JWKS_URL: with both it would not be clear which key verifies a token',
      ),
  },
  {
    reads: ['jwtSecret', 'jwtAlgorithms'],
    check: ({ jwtSecret, jwtAlgorithms }) =>
      jwtSecret.slice(0, 1).flatMap((secret) => unused('JWT_SECRET', [createSecretKey(secret, 'utf8')], jwtAlgorithms)),
  },
  { reads: ['jwtPublicKey'], check: ({ jwtPublicKey }) => readPublicKeys(jwtPublicKey).problems },
  {
    reads: ['jwtPublicKey', 'jwtAlgorithms'],
    check: ({ jwtPublicKey, jwtAlgorithms }) => {
      const { keys } = readPublicKeys(jwtPublicKey);
      return keys.length === 0 ? [] : unused('JWT_PUBLIC_KEY', keys, jwtAlgorithms);
    },
  },
  {
    reads: ['jwtJwksUrl', 'jwtAlgorithms'],
    check: ({ jwtJwksUrl, jwtAlgorithms }) =>
      when(
        jwtJwksUrl !== null &&
          !jwtAlgorithms.some((name) => (PUBLIC_KEY_ALGORITHMS as readonly string[]).includes(name)),
        'JWT_ALGORITHMS',
        `${quotedValue(OPEN, jwtAlgorithms)} has no algorithm for JWT_JWKS_URL: ${PUBLIC_KEY_ALGORITHMS.join(', ')}`,
      ),
  },
];

function weakSecret(secret: string, index: number): readonly SettingsProblem[] {
  const bytes = Buffer.byteLength(secret, 'utf8');
  const which = `secret ${index + 1}`;
  return [
    ...when(secret === DEVELOPMENT_SECRET, 'JWT_SECRET', `${which} is the development secret, which everybody knows`),
    ...when(
      bytes < MIN_SECRET_BYTES,
      'JWT_SECRET',
      `${which} is too short for production (${bytes} bytes): at least ${MIN_SECRET_BYTES} bytes`,
    ),
  ];
}

function readPublicKeys(value: string | null): { keys: readonly KeyObject[]; problems: readonly SettingsProblem[] } {
  if (value === null) return { keys: [], problems: [] };
  try {
    return { keys: loadPublicKeys(value), problems: [] };
  } catch (error) {
    if (!(error instanceof PublicKeyError)) throw error;
    const message = `${quotedValue(OPEN, value)} ${error.message}`;
    return { keys: [], problems: [{ setting: 'JWT_PUBLIC_KEY', message }] };
  }
}

function issuersProblems({ jwtIssuers, jwtIssuer }: SettingValues): readonly SettingsProblem[] {
  if (jwtIssuers === null) return [];
  try {
    const same = loadIssuers(jwtIssuers).some(({ issuer }) => issuer === jwtIssuer);
    return when(same, 'JWT_ISSUERS', 'names the issuer of JWT_ISSUER again');
  } catch (error) {
    if (!(error instanceof IssuersError)) throw error;
    return [{ setting: 'JWT_ISSUERS', message: `${quotedValue(OPEN, jwtIssuers)} ${error.message}` }];
  }
}

/** A key that fits no accepted algorithm is a mistake: all its tokens would be refused. */
function unused(source: string, keys: readonly KeyObject[], allowed: readonly Algorithm[]): readonly SettingsProblem[] {
  const fitting = new Set(keys.flatMap(algorithmsOf));
  return when(
    !allowed.some((name) => fitting.has(name)),
    'JWT_ALGORITHMS',
    `${quotedValue(OPEN, allowed)} has no algorithm for ${source}: ${[...fitting].join(', ')}`,
  );
}
