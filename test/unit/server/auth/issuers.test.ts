import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { type Env, PRODUCTION, problemOf, problemsOf, STRONG } from '../settings/support.js';
import { rsa } from './support.js';

const GOOD = {
  issuer: 'https://a.example',
  audience: ['x'],
  grants: ['role:user'],
  jwks_url: 'https://a.example/jwks',
};
const PEM = rsa.publicKey.export({ type: 'spki', format: 'pem' }).toString();

describe('The file of JWT_ISSUERS', () => {
  const dir = mkdtempSync(path.join(tmpdir(), 'uws-issuers-'));
  const file = path.join(dir, 'issuers.json');
  after(() => rmSync(dir, { recursive: true }));

  /** Settings with a file of this content. */
  const withFile = (content: unknown, env: Env = { JWT_SECRET: STRONG, JWT_ISSUER: 'https://own.example' }): Env => {
    writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
    return { ...env, JWT_ISSUERS: file };
  };

  it('must be taken with a key set or public keys, beside keys of our own or alone', () => {
    const { jwks_url: _, ...keyless } = GOOD;
    expect(problemsOf(withFile([GOOD, { ...keyless, issuer: 'https://b.example', public_key: PEM }]))).to.deep.equal(
      [],
    );
    expect(problemsOf(withFile([GOOD], {}))).to.deep.equal([]);
    const { JWT_SECRET, JWT_ISSUER, JWT_AUDIENCE, ...production } = PRODUCTION;
    expect(problemsOf(withFile([GOOD], production))).to.deep.equal([]);
    expect(problemsOf(withFile([GOOD], { ...production, JWT_SECRET, JWT_ISSUER, JWT_AUDIENCE }))).to.deep.equal([]);
  });

  const faults: Record<string, readonly [content: unknown, place: string]> = {
    'no JSON': ['[', 'JSON'],
    'an object': [GOOD, '/'],
    'nobody in it': [[], '/'],
    'no cap': [[{ ...GOOD, grants: undefined }], 'grants'],
    'no audience': [[{ ...GOOD, audience: [] }], '/0/audience'],
    'no key': [[{ ...GOOD, jwks_url: undefined }], '/0'],
    'two kinds of keys': [[{ ...GOOD, public_key: PEM }], '/0'],
    'a key that is none': [[{ ...GOOD, jwks_url: undefined, public_key: '-----BEGIN' }], '/0/public_key'],
    'a misspelt name': [[{ ...GOOD, role_claim: ['x'] }], '/0/role_claim'],
    'the same issuer twice': [[GOOD, GOOD], 'twice'],
    'our own issuer again': [[{ ...GOOD, issuer: 'https://own.example' }], 'JWT_ISSUER'],
  };
  for (const [what, [content, place]] of Object.entries(faults)) {
    it(`must be refused at start, with the place: ${what}`, () => {
      expect(problemOf('JWT_ISSUERS', withFile(content))).to.include(place);
    });
  }

  it('must not come without the name of our own issuer, or any token would pass for ours', () => {
    problemOf('JWT_ISSUER', withFile([GOOD], { JWT_SECRET: STRONG }));
    problemOf('JWT_ISSUERS', { JWT_SECRET: STRONG, JWT_ISSUER: 'https://own.example', JWT_ISSUERS: `${file}.none` });
  });
});
