import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ALGORITHMS, PUBLIC_KEY_ALGORITHMS } from '@unified-ws/server/auth/algorithms';
import { JWKS_LIMITS, JwksKeys, type JwksLimits } from '@unified-ws/server/auth/jwksKeys';
import { createKeySource } from '@unified-ws/server/auth/keyRing';
import { type SignOptions, signToken } from '@unified-ws/server/auth/signToken';
import { type Identity, TokenVerifier } from '@unified-ws/server/auth/tokenVerifier';
import { loadSettings } from '@unified-ws/server/settings/settings';
import { expect } from 'chai';
import { claims, clock, ec256, encode, forge, NOW_S, refusal, rsa, SECRET } from './support.js';

const ISSUER = 'https://id.example';

function jwk(key: KeyObject, kid: string | null, more: Record<string, unknown> = {}): Record<string, unknown> {
  return { ...key.export({ format: 'jwk' }), use: 'sig', ...(kid === null ? {} : { kid }), ...more };
}

describe('JwksKeys', () => {
  let server: Server;
  let url: string;
  let requests: number;
  let answer: RequestListener;
  let nowMs: number;
  let reported: unknown[];
  let keys: JwksKeys;
  let verifier: TokenVerifier;

  const serve = (...set: unknown[]): void => {
    answer = (_request, response) => response.end(JSON.stringify({ keys: set }));
  };

  beforeEach(async () => {
    requests = 0;
    nowMs = 1_000_000;
    reported = [];
    server = createServer((request, response) => {
      requests += 1;
      answer(request, response);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`;
    build();
  });

  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  function build(limits: Partial<JwksLimits> = {}): void {
    keys = new JwksKeys({
      url,
      issuer: ISSUER,
      algorithms: PUBLIC_KEY_ALGORITHMS,
      clock: { mono: () => nowMs },
      report: (error) => reported.push(error),
      limits,
    });
    verifier = new TokenVerifier(keys, { clock, issuer: ISSUER });
  }

  function sign(
    keyId: string | null,
    options: SignOptions & { key?: KeyObject; claims?: Record<string, unknown> } = {},
  ): string {
    const { key = rsa.privateKey, claims: more = {}, ...rest } = options;
    return signToken(
      key,
      { sub: 'user-1', ...more },
      { algorithm: 'RS256', issuer: ISSUER, nowS: NOW_S, ...(keyId === null ? {} : { keyId }), ...rest },
    );
  }

  const verify = async (token: string): Promise<Identity> => await verifier.verify(token);
  const reasonOf = async (token: string): Promise<unknown> =>
    (await refusal(() => verifier.verify(token))).details?.reason;

  it('verifies with the key that the token names, and fetches the set once', async () => {
    serve(jwk(rsa.publicKey, 'r1'), jwk(ec256.publicKey, 'e1'));
    expect((await verify(sign('r1'))).userId).to.equal('user-1');
    expect((await verify(sign('e1', { key: ec256.privateKey, algorithm: 'ES256' }))).userId).to.equal('user-1');
    expect((await verify(sign('r1', { algorithm: 'PS512' }))).userId).to.equal('user-1');
    expect(requests).to.equal(1);
  });

  it('answers without a promise once the set is known', async () => {
    serve(jwk(rsa.publicKey, 'r1'));
    expect(verifier.verify(sign('r1'))).to.be.instanceOf(Promise);
    await verify(sign('r1'));
    expect(verifier.verify(sign('r1'))).to.not.be.instanceOf(Promise);
  });

  it('makes one request for many tokens at once', async () => {
    serve(jwk(rsa.publicKey, 'r1'));
    await Promise.all(Array.from({ length: 50 }, () => verify(sign('r1'))));
    expect(requests).to.equal(1);
  });

  it('fetches nothing for the token of another issuer: a kid means something only within its issuer', async () => {
    serve(jwk(rsa.publicKey, 'r1'));
    for (const iss of ['https://evil.example', null, undefined, [ISSUER]]) {
      const token = `${encode({ alg: 'RS256', kid: 'r1' })}.${encode(claims({ iss }))}.AAAA`;
      expect(await reasonOf(token)).to.equal('wrong_issuer');
    }
    expect(requests).to.equal(0);
  });

  it('never looks where a token says its key is', async () => {
    let lured = 0;
    answer = (request, response) => {
      if (request.url !== '/jwks') lured += 1;
      response.end(JSON.stringify({ keys: [jwk(rsa.publicKey, 'r1')] }));
    };
    const attacker = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const header = {
      jku: `${url}/evil`,
      x5u: `${url}/evil`,
      jwk: jwk(attacker.publicKey, 'r1'),
      kid: 'r1',
      alg: 'RS256',
    };
    const [, payload, signature] = sign('r1', { key: attacker.privateKey }).split('.');
    expect(await reasonOf(`${encode(header)}.${payload}.${signature}`)).to.equal('bad_signature');
    expect(lured).to.equal(0);
  });

  it('takes hostile kids for what they are: unknown', async () => {
    serve(jwk(rsa.publicKey, 'r1'), jwk(ec256.publicKey, 'e1'));
    for (const kid of ['../../etc/passwd', "' OR 1=1 --", '__proto__', 'constructor', 'toString', '', 'r1 ', '*']) {
      expect(await reasonOf(sign(kid)), kid).to.equal('unknown_key');
    }
    expect(await reasonOf(sign(null))).to.equal('unknown_key');
  });

  it('a flood of invented kids costs one request, and good tokens are still taken', async () => {
    serve(jwk(rsa.publicKey, 'r1'));
    for (let i = 0; i < 100; i += 1) expect(await reasonOf(sign(`invented-${i}`))).to.equal('unknown_key');
    expect(requests).to.equal(1);
    expect((await verify(sign('r1'))).userId).to.equal('user-1');
  });

  it('pins a key to its algorithm and its kind', async () => {
    serve(jwk(rsa.publicKey, 'r1', { alg: 'RS256' }), jwk(ec256.publicKey, 'e1'));
    expect(await reasonOf(sign('r1', { algorithm: 'RS512' }))).to.equal('unknown_key');
    expect(await reasonOf(sign('e1'))).to.equal('unknown_key');
    const pem = rsa.publicKey.export({ type: 'spki', format: 'pem' }).toString();
    const confused = forge({ alg: 'HS256', kid: 'r1', typ: 'JWT' }, claims({ iss: ISSUER }), pem);
    expect(await reasonOf(confused)).to.equal('wrong_algorithm');
  });

  it('takes no symmetric, encryption, weak or EdDSA key from the set', async () => {
    serve(
      { kty: 'oct', kid: 'oct', k: encode(SECRET), alg: 'HS256' },
      jwk(rsa.publicKey, 'enc', { use: 'enc' }),
      jwk(generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey, 'weak'),
      jwk(generateKeyPairSync('ed25519').publicKey, 'ed'),
      jwk(rsa.publicKey, 'r1'),
    );
    expect(await reasonOf(sign('enc'))).to.equal('unknown_key');
    expect(await reasonOf(sign('weak'))).to.equal('unknown_key');
    expect(await reasonOf(`${encode({ alg: 'EdDSA', kid: 'ed' })}.${encode(claims())}.AA`)).to.equal('wrong_algorithm');
    const symmetric = forge({ alg: 'HS256', kid: 'oct' }, claims({ iss: ISSUER }));
    expect(await reasonOf(symmetric)).to.equal('wrong_algorithm');
    expect((await verify(sign('r1'))).userId).to.equal('user-1');
  });

  it('takes a token without a kid as long as there is one key only', async () => {
    serve(jwk(rsa.publicKey, null));
    expect((await verify(sign(null))).userId).to.equal('user-1');
    expect(await reasonOf(sign('r1'))).to.equal('unknown_key');
  });

  it('follows a rotation: the new key after the cooldown, the withdrawn one no longer than its age', async () => {
    const next = generateKeyPairSync('rsa', { modulusLength: 2048 });
    serve(jwk(rsa.publicKey, 'old'));
    await verify(sign('old'));
    serve(jwk(next.publicKey, 'new'));
    expect(await reasonOf(sign('new', { key: next.privateKey }))).to.equal('unknown_key');
    nowMs += JWKS_LIMITS.cooldownMs;
    expect((await verify(sign('new', { key: next.privateKey }))).userId).to.equal('user-1');
    expect(requests).to.equal(2);
    expect(await reasonOf(sign('old'))).to.equal('unknown_key');
  });

  it('asks again for a known key when the set is too old, and then refuses the withdrawn one', async () => {
    serve(jwk(rsa.publicKey, 'r1'));
    await verify(sign('r1'));
    serve(jwk(ec256.publicKey, 'e1'));
    nowMs += JWKS_LIMITS.maxAgeMs - 1;
    await verify(sign('r1'));
    nowMs += 1;
    expect(await reasonOf(sign('r1'))).to.equal('unknown_key');
    expect(requests).to.equal(2);
  });

  describe('when the endpoint fails', () => {
    const expectUnavailable = async (token = sign('r1')): Promise<void> => {
      const error = await refusal(() => verifier.verify(token));
      expect(error).to.include({ code: 'UNAVAILABLE' });
      expect(error.details).to.deep.equal({ reason: 'keys_unavailable' });
    };

    const failures: Record<string, RequestListener> = {
      'answers 500': (_, response) => response.writeHead(500).end('TOPSECRET'),
      'answers 404': (_, response) => response.writeHead(404).end(),
      'redirects to a good set elsewhere': (request, response) => {
        if (request.url === '/jwks') response.writeHead(302, { location: '/other' }).end();
        else response.end(JSON.stringify({ keys: [jwk(rsa.publicKey, 'r1')] }));
      },
      'sends no JSON': (_, response) => response.end('<html>TOPSECRET'),
      'sends no key set': (_, response) => response.end('{"keys":{"a":1}}'),
      'sends null': (_, response) => response.end('null'),
      'sends an empty set': (_, response) => response.end('{"keys":[]}'),
      'sends garbage for keys': (_, response) => response.end('{"keys":[null]}'),
      'cuts the answer short': (_, response) => {
        response.writeHead(200, { 'content-length': 1000 });
        response.write('{"keys":', () => response.destroy());
      },
      'sends without end': (_, response) => {
        const more = (): void => {
          while (!response.destroyed && response.write(' '.repeat(65_536)));
        };
        response.on('drain', more);
        more();
      },
    };
    for (const [what, listener] of Object.entries(failures)) {
      it(`that ${what}, it says unavailable and not that the token is bad`, async () => {
        answer = listener;
        await expectUnavailable();
        expect(reported).to.have.length(1);
      });
    }

    it('and is down, it says unavailable, and asks again only after the cooldown', async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await expectUnavailable();
      await expectUnavailable();
      expect(reported).to.have.length(1);
      nowMs += JWKS_LIMITS.cooldownMs;
      await expectUnavailable();
      expect(reported).to.have.length(2);
    });

    it('and never answers, or byte by byte, it gives up in time', async () => {
      // Long enough for a busy machine to have taken the request before it is given up.
      build({ timeoutMs: 1000 });
      answer = () => undefined;
      await expectUnavailable();
      nowMs += JWKS_LIMITS.cooldownMs;
      answer = (_, response) => {
        const trickle = setInterval(() => response.write(' '), 10);
        response.on('close', () => clearInterval(trickle));
      };
      await expectUnavailable();
      expect(requests).to.equal(2);
    });

    it('known keys go on for an hour and no longer, without a request for each token', async () => {
      serve(jwk(rsa.publicKey, 'r1'));
      await verify(sign('r1'));
      answer = (_, response) => response.writeHead(503).end();
      nowMs += JWKS_LIMITS.maxAgeMs;
      for (let i = 0; i < 10; i += 1) await verify(sign('r1'));
      expect(requests).to.equal(2);
      await expectUnavailable(sign('another'));
      nowMs += JWKS_LIMITS.maxStaleMs - JWKS_LIMITS.maxAgeMs;
      await expectUnavailable();
    });

    it('and comes back, tokens are taken again', async () => {
      answer = (_, response) => response.writeHead(503).end();
      await expectUnavailable();
      serve(jwk(rsa.publicKey, 'r1'));
      nowMs += JWKS_LIMITS.cooldownMs;
      expect((await verify(sign('r1'))).userId).to.equal('user-1');
    });
  });

  it('stands beside a secret when the settings name both', async () => {
    serve(jwk(rsa.publicKey, 'r1'));
    const settings = loadSettings({
      JWT_JWKS_URL: url,
      JWT_ISSUER: ISSUER,
      JWT_SECRET: SECRET,
      JWT_ALGORITHMS: ALGORITHMS.join(),
    });
    const source = createKeySource(settings, {
      clock: { now: clock.now, mono: () => nowMs },
      report: (error) => reported.push(error),
    });
    const both = new TokenVerifier(source, { clock, issuer: ISSUER });
    expect(both.verify(signToken(SECRET, { sub: 'h' }, { issuer: ISSUER, nowS: NOW_S }))).to.include({ userId: 'h' });
    expect(requests).to.equal(0);
    expect(await both.verify(sign('r1'))).to.include({ userId: 'user-1' });
  });
});
