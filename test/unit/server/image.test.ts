import { readFileSync } from 'node:fs';
import { DEVELOPMENT_SECRET, loadSettings, SettingsError } from '@unified-ws/server/settings/settings';
import { ENTRIES } from '@unified-ws/server/settings/table/entries';
import { expect } from 'chai';
import { PRODUCTION, STRONG } from './settings/support.js';

type Env = Readonly<Record<string, string | undefined>>;

/** The variables that the last stage of the Dockerfile sets. The suites run at the root of the repository. */
function imageEnv(): Record<string, string> {
  const stage =
    readFileSync('deploy/Dockerfile', 'utf8')
      .split(/^FROM /m)
      .at(-1) ?? '';
  const lines = stage.replace(/\\\n/g, ' ').matchAll(/^ENV (.+)$/gm);
  return Object.fromEntries(
    [...lines].flatMap(([, pairs = '']) => [...pairs.matchAll(/(\w+)=(\S+)/g)].map(([, name, value]) => [name, value])),
  );
}

/** The environment of the service `node` as compose makes it. @throws Error with the sentence of a variable that must be set. */
function composeEnv(given: Env): Record<string, string> {
  const [, block = ''] =
    /^ {2}node:[\s\S]*?^ {4}environment:\n([\s\S]*?)^ {4}\w/m.exec(readFileSync('docker-compose.yml', 'utf8')) ?? [];
  return Object.fromEntries(
    [...block.matchAll(/^ {6}(\w+): (.*)$/gm)].map(([, name, text = '']) => [name, interpolated(text, given)]),
  );
}

function interpolated(text: string, given: Env): string {
  return text
    .replace(/^'(.*)'$/, '$1')
    .replace(/\$\{(\w+)(:-|\?)([^}]*)\}/g, (_, name: string, how: string, rest: string) => {
      const value = given[name];
      if (how === ':-') return value ? value : rest;
      if (value === undefined) throw new Error(rest);
      return value;
    });
}

/** The settings that are at fault when a node starts with this environment. */
function refusals(env: Env): string[] {
  try {
    loadSettings(env);
  } catch (error) {
    if (error instanceof SettingsError) return error.problems.map(({ setting }) => setting);
    throw error;
  }
  return [];
}

describe('The image', () => {
  it('must not start as it comes, and must say all that it lacks: no published secret is trusted', () => {
    expect(refusals(imageEnv())).to.include.members(['JWT_SECRET', 'JWT_ISSUER', 'JWT_AUDIENCE', 'ALLOWED_ORIGINS']);
    const { NODE_ENV: _, ...complete } = PRODUCTION;
    expect(refusals({ ...imageEnv(), ...complete })).to.deep.equal([]);
  });

  it('must not trust the development secret when it is told to be one for development', () => {
    for (const NODE_ENV of ['development', 'test', '']) {
      expect(refusals({ ...imageEnv(), NODE_ENV }), NODE_ENV).to.deep.equal(['JWT_SECRET']);
    }
  });
});

describe('docker-compose.yml', () => {
  const env = (given: Env): Record<string, string> => ({ ...imageEnv(), ...composeEnv(given) });

  it('must refuse without JWT_SECRET, with a sentence that says what to do', () => {
    expect(() => composeEnv({})).to.throw(/openssl rand/);
  });

  it('must not start nodes without a key, or with the published one', () => {
    expect(refusals(env({ JWT_SECRET: '' }))).to.deep.equal(['JWT_SECRET']);
    expect(refusals(env({ JWT_SECRET: DEVELOPMENT_SECRET }))).to.deep.equal(['JWT_SECRET']);
  });

  it('must do with a secret alone, or with a key of another kind', () => {
    expect(refusals(env({ JWT_SECRET: STRONG }))).to.deep.equal([]);
    const jwks = { JWT_JWKS_URL: 'https://id.example/jwks', JWT_ISSUER: 'https://id.example' };
    expect(refusals(env({ JWT_SECRET: '', ...jwks }))).to.deep.equal([]);
  });

  it('must name no variable that is no setting', () => {
    const known = new Set<string>(ENTRIES.map(({ env: name }) => name));
    expect(Object.keys(env({ JWT_SECRET: STRONG })).filter((name) => !known.has(name))).to.deep.equal([]);
  });
});
