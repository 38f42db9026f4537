import { generateKeyPairSync } from 'node:crypto';
import { StaticKeys } from '@unified-ws/server/auth/keyRing';
import { signToken } from '@unified-ws/server/auth/signToken';
import { AUTH_REASONS, MAX_TOKEN_BYTES } from '@unified-ws/server/auth/tokenVerifier';
import { expect } from 'chai';
import {
  claims,
  ec256,
  encode,
  expectReason,
  forge,
  NOW_S,
  refusal,
  rsa,
  SECRET,
  staticKeys,
  tokenOf,
  verifierOf,
  verifyNow,
} from './support.js';

describe('TokenVerifier', () => {
  it('reads who a good token speaks for, without a promise', () => {
    const token = signToken(
      SECRET,
      { sub: 'user-1', username: 'Ada', roles: ['admin'], permissions: ['x:y'], sid: 's1', jti: 'j1' },
      { nowS: NOW_S, lifetimeS: 60 },
    );
    const identity = verifyNow(token);
    expect(identity.tokenId)
      .to.match(/^[0-9a-f]{16}$/)
      .and.equal(verifyNow(token).tokenId);
    expect(identity).to.deep.equal({
      tokenId: identity.tokenId,
      issuer: null,
      refused: [],
      userId: 'user-1',
      username: 'Ada',
      roles: ['admin'],
      permissions: ['x:y'],
      sid: 's1',
      jti: 'j1',
      issuedAt: NOW_S,
      expiresAt: NOW_S + 60,
    });
  });

  describe('refuses with its reason', () => {
    it('no token', () => expectReason('', 'missing'));

    it('text that is no token', async () => {
      const header = encode({ alg: 'HS256' });
      const texts = [
        'x',
        'a.b',
        'a.b.c',
        'a.b.c.d',
        '..',
        `${header}.`,
        `${header}..`,
        ' ',
        `${tokenOf(claims())} `,
        'é.é.é',
      ];
      for (const text of texts) await expectReason(text, 'malformed');
    });

    it('a header that is no object, or without a text as algorithm or kid', async () => {
      const headers = [
        'no json',
        '[]',
        'null',
        '"HS256"',
        {},
        { alg: 1 },
        { alg: ['HS256'] },
        { alg: 'HS256', kid: 1 },
      ];
      for (const header of headers) await expectReason(forge(header, claims()), 'malformed');
    });

    it('a payload that is no JSON object, signed or not', async () => {
      for (const payload of ['no json', '[]', 'null', '"text"', '1']) {
        for (const header of [{ alg: 'HS256' }, { alg: 'HS256', typ: 'JWT' }]) {
          await expectReason(forge(header, payload), 'malformed');
          await expectReason(forge(header, payload, 'another secret'), 'malformed');
        }
      }
    });

    it('a critical header extension, which the library would ignore', () =>
      expectReason(forge({ alg: 'HS256', crit: ['b64'], b64: false }, claims()), 'malformed'));

    it('a token too long to be read', () =>
      expectReason(tokenOf(claims({ pad: 'x'.repeat(MAX_TOKEN_BYTES) })), 'malformed'));

    it('another secret, a changed payload, a cut or missing signature', async () => {
      const token = tokenOf(claims());
      const [header, , signature] = token.split('.');
      await expectReason(forge({ alg: 'HS256' }, claims(), 'another secret'), 'bad_signature');
      await expectReason(`${header}.${encode(claims({ roles: ['admin'] }))}.${signature}`, 'bad_signature');
      await expectReason(token.slice(0, -4), 'bad_signature');
      await expectReason(token.slice(0, token.lastIndexOf('.') + 1), 'bad_signature');
    });

    it('alg none in every spelling, signed or not', async () => {
      for (const alg of ['none', 'None', 'NONE', 'nOnE', '']) {
        await expectReason(`${encode({ alg })}.${encode(claims())}.`, 'wrong_algorithm');
        await expectReason(forge({ alg }, claims()), 'wrong_algorithm');
      }
    });

    it('an algorithm that no key of ours has, and names every object has', async () => {
      for (const alg of ['HS1', 'hs256', 'RS256', 'EdDSA', 'constructor', '__proto__', 'toString']) {
        await expectReason(forge({ alg }, claims()), 'wrong_algorithm');
      }
    });

    it('an algorithm that is left out of JWT_ALGORITHMS, although the signature is good', async () => {
      const keys = staticKeys([SECRET], ['HS512']);
      await expectReason(tokenOf(claims()), 'wrong_algorithm', { keys });
      const good = signToken(SECRET, { sub: 'u' }, { algorithm: 'HS512', nowS: NOW_S });
      expect(verifyNow(good, { keys }).userId).to.equal('u');
    });

    it('an expired token with a code of its own', async () => {
      const error = await refusal(() => verifierOf().verify(tokenOf(claims({ exp: NOW_S - 5 }))));
      expect(error).to.include({ code: 'TOKEN_EXPIRED', message: AUTH_REASONS.expired.message });
      expect(error.details).to.deep.equal({ reason: 'expired' });
    });

    it('a token of the future, by nbf or by iat', async () => {
      await expectReason(tokenOf(claims({ nbf: NOW_S + 6 })), 'not_yet_valid');
      await expectReason(tokenOf(claims({ iat: NOW_S + 6 })), 'not_yet_valid');
    });

    it('another issuer or audience, and none where one is required', async () => {
      const options = { issuer: 'https://id.example', audience: ['app', 'app2'] };
      const good = { iss: 'https://id.example', aud: ['other', 'app2'] };
      expect(verifyNow(tokenOf(claims(good)), options).userId).to.equal('user-1');
      expect(verifyNow(tokenOf(claims({ ...good, aud: 'app' })), options).userId).to.equal('user-1');
      for (const iss of ['https://id.example/', 'evil', undefined, ['https://id.example'], { a: 1 }]) {
        await expectReason(tokenOf(claims({ ...good, iss })), 'wrong_issuer', options);
      }
      for (const aud of ['evil', [], undefined, [['app']], 'app,app2']) {
        await expectReason(tokenOf(claims({ ...good, aud })), 'wrong_audience', options);
      }
    });
  });

  it('accepts 5 s of difference between the clocks, at either end', () => {
    expect(verifyNow(tokenOf(claims({ exp: NOW_S - 4 }))).userId).to.equal('user-1');
    expect(verifyNow(tokenOf(claims({ iat: NOW_S + 5, nbf: NOW_S + 5 }))).userId).to.equal('user-1');
  });

  it('verifies tokens of the old secret while the new one signs', async () => {
    const keys = staticKeys(['the new secret', SECRET]);
    expect(verifyNow(tokenOf(claims()), { keys }).userId).to.equal('user-1');
    expect(verifyNow(signToken('the new secret', { sub: 'n' }, { nowS: NOW_S }), { keys }).userId).to.equal('n');
    await expectReason(forge({ alg: 'HS256' }, claims(), 'a third secret'), 'bad_signature', { keys });
    await expectReason(tokenOf(claims()), 'bad_signature', { keys: staticKeys(['the new secret']) });
  });

  describe('pins the algorithms to the key', () => {
    it('the text of a public key is no HMAC secret', async () => {
      const publicOnly = staticKeys([rsa.publicKey]);
      const withSecret = staticKeys([SECRET, rsa.publicKey]);
      for (const type of ['spki', 'pkcs1'] as const) {
        for (const format of ['pem', 'der'] as const) {
          const text = Buffer.from(
            format === 'pem' ? rsa.publicKey.export({ type, format }) : rsa.publicKey.export({ type, format }),
          );
          for (const key of [text, text.toString().trim()]) {
            const token = forge({ alg: 'HS256', typ: 'JWT' }, claims(), key);
            await expectReason(token, 'wrong_algorithm', { keys: publicOnly });
            await expectReason(token, 'bad_signature', { keys: withSecret });
          }
        }
      }
    });

    it('RS, PS and ES verify with a key of their kind and not with another', async () => {
      const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' });
      const pss = generateKeyPairSync('rsa-pss', {
        modulusLength: 2048,
        hashAlgorithm: 'sha256',
        mgf1HashAlgorithm: 'sha256',
      });
      const cases = [
        { algorithms: ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'], pair: rsa },
        { algorithms: ['ES256'], pair: ec256 },
        { algorithms: ['ES384'], pair: p384 },
        { algorithms: ['PS256'], pair: pss },
      ] as const;
      for (const { algorithms, pair } of cases) {
        const keys = staticKeys([pair.publicKey]);
        expect([...keys.algorithms]).to.deep.equal(algorithms);
        const others = cases.filter((one) => one.pair !== pair).map((one) => one.pair.publicKey);
        for (const algorithm of algorithms) {
          const token = signToken(pair.privateKey, { sub: algorithm }, { algorithm, nowS: NOW_S });
          expect(verifyNow(token, { keys }).userId).to.equal(algorithm);
          const error = await refusal(() => verifierOf({ keys: staticKeys(others) }).verify(token));
          expect(error.details?.reason).to.be.oneOf(['wrong_algorithm', 'bad_signature']);
        }
      }
    });

    it('an RS key narrowed to RS256 verifies nothing else', async () => {
      const keys = staticKeys([rsa.publicKey], ['RS256', 'HS256']);
      const token = signToken(rsa.privateKey, { sub: 'u' }, { algorithm: 'PS256', nowS: NOW_S });
      await expectReason(token, 'wrong_algorithm', { keys });
    });

    it('weak RSA, unknown curves, EdDSA and private keys verify nothing', () => {
      const weak = generateKeyPairSync('rsa', { modulusLength: 1024 });
      const curve = generateKeyPairSync('ec', { namedCurve: 'secp256k1' });
      const ed = generateKeyPairSync('ed25519');
      const keys = new StaticKeys([weak.publicKey, curve.publicKey, ed.publicKey, rsa.privateKey], ['RS256', 'ES256']);
      expect(keys.algorithms.size).to.equal(0);
    });

    it('a signature of the wrong length is a bad one and no crash', async () => {
      const keys = staticKeys([ec256.publicKey, rsa.publicKey]);
      for (const alg of ['ES256', 'RS256', 'PS256']) {
        await expectReason(`${encode({ alg, typ: 'JWT' })}.${encode(claims())}.AAAA`, 'bad_signature', { keys });
      }
    });
  });

  it('never tells the token, a key or library text', async () => {
    const hostile = [
      tokenOf(claims({ exp: 'TOPSECRET' })),
      forge({ alg: 'TOPSECRET' }, claims()),
      forge({ alg: 'HS256', kid: 'TOPSECRET' }, claims(), 'x'),
      'TOPSECRET',
      tokenOf('{"sub": TOPSECRET'),
      tokenOf(claims({ iss: 'TOPSECRET' })),
    ];
    for (const token of hostile) {
      const error = await refusal(() => verifierOf({ issuer: 'me' }).verify(token));
      const { message, details, cause } = error;
      const known = Object.values(AUTH_REASONS).map((reason) => reason.message);
      expect(known).to.include(message);
      expect(JSON.stringify([details, String(cause)]))
        .to.not.include('TOPSECRET')
        .and.not.match(/jwt|json|unexpected/i);
    }
  });

  it('withstands random damage to a good token', async () => {
    const token = signToken(SECRET, { sub: 'user-1' }, { nowS: NOW_S });
    for (let at = 0; at < token.length - 1; at += 1) {
      const damaged = `${token.slice(0, at)}${token[at] === 'A' ? 'B' : 'A'}${token.slice(at + 1)}`;
      const error = await refusal(() => verifierOf().verify(damaged));
      expect(Object.keys(AUTH_REASONS)).to.include(error.details?.reason);
    }
  });
});
