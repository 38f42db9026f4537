import fs from 'node:fs';
import path from 'node:path';
import { Stop } from './entry.mjs';
import { filesBelow } from './files-below.mjs';
import { root } from './paths.mjs';

const suite = path.join(root, 'test', 'wire', 'conformance');

/** The claim of one test: an object literal without inner braces, as test/wire/conformance/support/coverage.ts asks for. */
const CLAIM = /\bcovers\(\s*\{([^{}]*)\}/g;
const ANY_CLAIM = /^\s*covers\(/gm;
const LIST = /(\w+):\s*\[([^\]]*)\]/g;

/**
 * What the tests of the conformance suite claim, read from their sources: Map of `client ping` (kind and name) to the files,
 * relative to test/wire/conformance.
 */
export function conformanceClaims() {
  const claims = new Map();
  const files = filesBelow(suite).filter((file) => file.endsWith('.test.ts'));
  for (const file of files.sort()) {
    const text = fs.readFileSync(path.join(suite, file), 'utf8');
    const found = [...text.matchAll(CLAIM)];
    if (found.length !== [...text.matchAll(ANY_CLAIM)].length) {
      throw new Stop(
        `test/wire/conformance/${file}: the first argument of each covers( must be a literal without inner braces`,
      );
    }
    for (const [, literal] of found) note(claims, literal, file);
  }
  return claims;
}

function note(claims, literal, file) {
  for (const [, kind, items] of literal.matchAll(LIST)) {
    for (const item of items.split(',').map((text) => text.trim().replace(/^'|'$/g, ''))) {
      if (item === '') continue;
      const key = `${kind} ${item}`;
      claims
        .set(key, claims.get(key) ?? new Set())
        .get(key)
        .add(file);
    }
  }
}
