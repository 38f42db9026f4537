import { createPublicKey, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { algorithmsOf, MIN_RSA_BITS } from './algorithms.js';

/** `JWT_PUBLIC_KEY` cannot be used. The message is safe to print: it never repeats the setting, which might contain a private key. */
export class PublicKeyError extends Error {
  override readonly name = 'PublicKeyError';
}

const BLOCK = /-----BEGIN ([A-Z ]+)-----[\s\S]*?-----END \1-----/g;

/**
 * Reads `JWT_PUBLIC_KEY`: PEM text (line ends may be written `\n`) or the path of a PEM file. Several blocks may follow each
 * other, so that a new key can be added before it signs tokens. Each key is parsed here, once.
 *
 * @throws PublicKeyError when there is no such file, no PEM in it, a private key, or a key that fits no supported algorithm.
 */
export function loadPublicKeys(value: string): readonly KeyObject[] {
  const text = value.includes('-----BEGIN') ? value.replaceAll('\\n', '\n') : readKeyFile(value);
  const blocks = [...text.matchAll(BLOCK)];
  if (blocks.length === 0) throw new PublicKeyError('holds no PEM block');
  return blocks.map(([pem, label]) => parseBlock(pem, label ?? ''));
}

function readKeyFile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new PublicKeyError('is neither PEM text nor the path of a readable file', { cause });
  }
}

function parseBlock(pem: string, label: string): KeyObject {
  // createPublicKey would extract the public half, and the private key would stay where it must not be.
  if (label.includes('PRIVATE')) throw new PublicKeyError('holds a private key; give the public one');
  let key: KeyObject;
  try {
    key = createPublicKey(pem);
  } catch (cause) {
    throw new PublicKeyError(`holds a ${label} block that is not a public key`, { cause });
  }
  if (algorithmsOf(key).length === 0) {
    throw new PublicKeyError(
      `contains an unsupported key: RSA or RSA-PSS of at least ${MIN_RSA_BITS} bits, or EC on P-256, P-384 or P-521 (no EdDSA)`,
    );
  }
  return key;
}
