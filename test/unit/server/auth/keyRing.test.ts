import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createKeySource, KeyRing, type KeySettings } from '@unified-ws/server/auth/keyRing';
import { loadPublicKeys, PublicKeyError } from '@unified-ws/server/auth/publicKeys';
import { signToken } from '@unified-ws/server/auth/signToken';
import { loadSettings } from '@unified-ws/server/settings/settings';
import { expect } from 'chai';
import { claims, clock, ec256, expectReason, forge, NOW_S, rsa, SECRET, staticKeys, verifyNow } from './support.js';

const rsaPem = rsa.publicKey.export({ type: 'spki', format: 'pem' }).toString();
const ecPem = ec256.publicKey.export({ type: 'spki', format: 'pem' }).toString();
const privatePem = rsa.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

const deps = {
  clock,
  report: (error: unknown) => {
    throw error;
  },
};
const sourceOf = (env: Record<string, string>) => createKeySource(loadSettings(env) satisfies KeySettings, deps);

describe('createKeySource', () => {
  it('takes secrets and public keys side by side, each for its own algorithms', async () => {
    const keys = sourceOf({ JWT_SECRET: SECRET, JWT_PUBLIC_KEY: rsaPem });
    expect(verifyNow(signToken(SECRET, { sub: 'h' }, { nowS: NOW_S }), { keys }).userId).to.equal('h');
    const rs = signToken(rsa.privateKey, { sub: 'r' }, { algorithm: 'RS256', nowS: NOW_S });
    expect(verifyNow(rs, { keys }).userId).to.equal('r');
    await expectReason(forge({ alg: 'HS256' }, claims(), rsaPem), 'bad_signature', { keys });
    const es = signToken(ec256.privateKey, { sub: 'e' }, { algorithm: 'ES256', nowS: NOW_S });
    await expectReason(es, 'wrong_algorithm', { keys });
  });

  it('has no secret that everybody knows beside a real key', () => {
    const keys = sourceOf({ JWT_PUBLIC_KEY: rsaPem });
    expect([...keys.algorithms].filter((name) => name.startsWith('HS'))).to.deep.equal([]);
  });

  it('refuses two sources for one algorithm: the order would decide who is trusted', () => {
    expect(() => new KeyRing([staticKeys([SECRET]), staticKeys(['another'])])).to.throw(TypeError);
  });
});

describe('loadPublicKeys', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'unified-ws-keys-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  it('reads PEM text, PEM with written line ends, a file, and several keys', () => {
    const path = join(folder, 'keys.pem');
    writeFileSync(path, `# both\n${rsaPem}\n${ecPem}`);
    expect(loadPublicKeys(rsaPem)).to.have.length(1);
    expect(loadPublicKeys(rsaPem.replaceAll('\n', '\\n'))).to.have.length(1);
    expect(loadPublicKeys(path).map((key) => key.asymmetricKeyType)).to.deep.equal(['rsa', 'ec']);
  });

  it('verifies with the old and the new key while keys are rotated', () => {
    const next = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const keys = sourceOf({ JWT_PUBLIC_KEY: next.publicKey.export({ type: 'spki', format: 'pem' }) + rsaPem });
    for (const { privateKey } of [rsa, next]) {
      const token = signToken(privateKey, { sub: 'r' }, { algorithm: 'RS256', nowS: NOW_S });
      expect(verifyNow(token, { keys }).userId).to.equal('r');
    }
  });

  it('refuses what is no usable public key, without repeating it', () => {
    const pem = (pair: { publicKey: typeof rsa.publicKey }) =>
      pair.publicKey.export({ type: 'spki', format: 'pem' }).toString();
    const bad = [
      privatePem,
      '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----',
      '-----BEGIN PUBLIC KEY-----',
      pem(generateKeyPairSync('ed25519')),
      pem(generateKeyPairSync('rsa', { modulusLength: 1024 })),
      pem(generateKeyPairSync('ec', { namedCurve: 'secp256k1' })),
      join(folder, 'missing.pem'),
      folder,
    ];
    for (const value of bad) {
      expect(() => loadPublicKeys(value), value)
        .to.throw(PublicKeyError)
        .with.property('message')
        .that.does.not.include(value);
    }
  });
});
