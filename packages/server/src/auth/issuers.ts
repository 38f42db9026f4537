import { readFileSync } from 'node:fs';
import { Ajv, type ErrorObject } from 'ajv';
import { type ClaimNames, DEFAULT_CLAIM_NAMES } from './claimNames.js';
import { loadPublicKeys, PublicKeyError } from './publicKeys.js';

/** An issuer in addition to `JWT_ISSUER`, with its own keys, claims and cap. */
export interface IssuerDefinition {
  readonly issuer: string;
  readonly audience: readonly string[];
  readonly jwksUrl: string | null;
  /** PEM text or the path of a PEM file. */
  readonly publicKey: string | null;
  readonly names: ClaimNames;
  /** Like `JWT_GRANTS`. */
  readonly grants: readonly string[];
  /** Prefix of its user ids, so that they differ from those of other issuers. */
  readonly userPrefix: string;
}

/** The file of `JWT_ISSUERS` is not usable; the message says where the fault is. */
export class IssuersError extends Error {
  override readonly name = 'IssuersError';
}

const NAME = { type: 'string', minLength: 1, maxLength: 256 };
const NAMES = { type: 'array', items: NAME, minItems: 1, maxItems: 16 };

const SCHEMA = {
  type: 'array',
  minItems: 1,
  maxItems: 32,
  items: {
    type: 'object',
    additionalProperties: false,
    // `grants` is required: an issuer without a stated cap is not trusted.
    required: ['issuer', 'audience', 'grants'],
    oneOf: [{ required: ['jwks_url'] }, { required: ['public_key'] }],
    properties: {
      issuer: { type: 'string', minLength: 1, maxLength: 512 },
      audience: { type: 'array', items: { type: 'string', minLength: 1, maxLength: 512 }, minItems: 1 },
      jwks_url: { type: 'string', pattern: '^https?://[^@\\s]+$' },
      public_key: { type: 'string', minLength: 1 },
      grants: { type: 'array', items: { type: 'string', pattern: '^(?:[^*]{1,127}\\*?|\\*)$' } },
      user_prefix: { type: 'string', maxLength: 32, pattern: '^[!-~]*$' },
      user_claim: NAME,
      username_claim: NAME,
      roles_claim: NAMES,
      permissions_claim: NAMES,
      session_claim: NAME,
    },
  },
};

interface Written {
  readonly issuer: string;
  readonly audience: readonly string[];
  readonly grants: readonly string[];
  readonly jwks_url?: string;
  readonly public_key?: string;
  readonly user_prefix?: string;
  readonly user_claim?: string;
  readonly username_claim?: string;
  readonly roles_claim?: readonly string[];
  readonly permissions_claim?: readonly string[];
  readonly session_claim?: string;
}

/** @throws IssuersError when the file cannot be read or its content is invalid. */
export function loadIssuers(path: string): readonly IssuerDefinition[] {
  const issuers = read(path).map(toDefinition);
  const twice = issuers.find(({ issuer }, at) => issuers.findIndex((other) => other.issuer === issuer) !== at);
  if (twice) throw new IssuersError(`names the issuer ${JSON.stringify(twice.issuer)} twice`);
  for (const [at, { publicKey }] of issuers.entries()) if (publicKey !== null) checkKey(publicKey, at);
  return issuers;
}

function read(path: string): readonly Written[] {
  let written: unknown;
  try {
    written = JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    throw new IssuersError('is not the path of a readable file with JSON', { cause });
  }
  const validate = new Ajv({ strict: false }).compile<readonly Written[]>(SCHEMA);
  if (!validate(written)) throw new IssuersError(describe(validate.errors?.[0]));
  return written;
}

function describe(error: ErrorObject | undefined): string {
  const property = error?.params.additionalProperty;
  const place = `${error?.instancePath ?? ''}${typeof property === 'string' ? `/${property}` : ''}`;
  return `is not right at ${place || '/'}: ${error?.message ?? 'it is not valid'}`;
}

function checkKey(key: string, at: number): void {
  try {
    loadPublicKeys(key);
  } catch (error) {
    if (!(error instanceof PublicKeyError)) throw error;
    throw new IssuersError(`is not right at /${at}/public_key: it ${error.message}`, { cause: error });
  }
}

function toDefinition(written: Written): IssuerDefinition {
  const { issuer, audience, grants } = written;
  return {
    issuer,
    audience,
    grants,
    jwksUrl: written.jwks_url ?? null,
    publicKey: written.public_key ?? null,
    userPrefix: written.user_prefix ?? '',
    names: {
      user: written.user_claim ?? DEFAULT_CLAIM_NAMES.user,
      username: written.username_claim ?? DEFAULT_CLAIM_NAMES.username,
      roles: written.roles_claim ?? DEFAULT_CLAIM_NAMES.roles,
      permissions: written.permissions_claim ?? DEFAULT_CLAIM_NAMES.permissions,
      session: written.session_claim ?? DEFAULT_CLAIM_NAMES.session,
    },
  };
}
