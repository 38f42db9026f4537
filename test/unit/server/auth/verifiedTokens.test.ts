import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import { PUBLIC_KEY_ALGORITHMS } from '@unified-ws/server/auth/algorithms';
import { JWKS_LIMITS, JwksKeys } from '@unified-ws/server/auth/jwksKeys';
import { signToken } from '@unified-ws/server/auth/signToken';
import { TokenVerifier } from '@unified-ws/server/auth/tokenVerifier';
import { VerifiedTokens } from '@unified-ws/server/auth/verifiedTokens';
import { expect } from 'chai';
import { claims, ec256, NOW_S, refusal, rsa, SECRET, staticKeys, tokenOf } from './support.js';

const MAX_AGE_MS = 5000;
const MAX_TOKENS = 1000;
const ISSUER = 'https://id.example';

// Seen red: without `holds` (key, time), with refusals kept (unknown key), without the look at the age or at the number (memory).
describe('VerifiedTokens', () => {
  let wallMs: number;
  let monoMs: number;
  let proved: number;
  const clock = { now: () => wallMs, mono: () => monoMs };

  beforeEach(() => {
    wallMs = NOW_S * 1000;
    monoMs = 0;
    proved = 0;
  });

  function remember(verifier: TokenVerifier): VerifiedTokens {
    const counted = {
      prove: (token: string) => {
        proved += 1;
        return verifier.prove(token);
      },
      holds: (proof: Parameters<TokenVerifier['holds']>[0]) => verifier.holds(proof),
    };
    return new VerifiedTokens(counted, clock);
  }

  const withSecret = (): VerifiedTokens => remember(new TokenVerifier(staticKeys([SECRET]), { clock }));
  const reasonOf = async (tokens: VerifiedTokens, token: string): Promise<unknown> =>
    (await refusal(() => tokens.verify(token))).details?.reason;

  it('a publisher that sends thousands of requests a second must not pay for a signature each time', async () => {
    const tokens = withSecret();
    const token = tokenOf(claims());
    const first = await tokens.verify(token);
    expect(first.userId).to.equal('user-1');
    for (let i = 0; i < 100; i += 1) expect(await tokens.verify(token)).to.equal(first);
    expect(proved).to.equal(1);
    monoMs += MAX_AGE_MS;
    await tokens.verify(token);
    expect(proved).to.equal(2);
  });

  it('a remembered token must not outlive its end', async () => {
    const tokens = withSecret();
    const token = tokenOf(claims({ exp: NOW_S + 1 }));
    await tokens.verify(token);
    wallMs += 5999;
    await tokens.verify(token);
    wallMs += 1;
    expect(await reasonOf(tokens, token)).to.equal('expired');
    // The clock was set back: nothing but the time decides.
    wallMs -= 1000;
    await tokens.verify(token);
  });

  it('a clock that is set back must not leave in force what is not valid yet', async () => {
    const tokens = withSecret();
    const token = tokenOf(claims({ nbf: NOW_S }));
    await tokens.verify(token);
    wallMs -= 6000;
    expect(await reasonOf(tokens, token)).to.equal('not_yet_valid');
  });

  it('a token that is refused must be looked at each time, and a changed one is another token', async () => {
    const tokens = withSecret();
    const good = tokenOf(claims());
    await tokens.verify(good);
    const forged = `${good.slice(0, -4)}AAAA`;
    for (let i = 0; i < 3; i += 1) expect(await reasonOf(tokens, forged)).to.equal('bad_signature');
    expect(await reasonOf(tokens, `${good}A`)).to.equal('bad_signature');
    expect(await reasonOf(tokens, '')).to.equal('missing');
    expect(tokens.size).to.equal(1);
  });

  it('must not grow with the number of callers, nor hold their tokens', async () => {
    const tokens = withSecret();
    const first = tokenOf(claims({ sub: 'first' }));
    await tokens.verify(first);
    for (let i = 0; i < MAX_TOKENS + 100; i += 1) await tokens.verify(tokenOf(claims({ sub: `user-${i}` })));
    expect(tokens.size).to.equal(MAX_TOKENS);
    expect(inspect(tokens, { depth: null, maxArrayLength: null })).not.to.include(first.split('.')[2]);
    monoMs += MAX_AGE_MS;
    await tokens.verify(first);
    expect(tokens.size, 'old ones are dropped').to.equal(1);
  });

  describe('with the key set of an issuer', () => {
    let server: Server;
    let set: unknown[];
    let keysMs: number;

    const jwk = (key: typeof rsa.publicKey, kid: string): object => ({
      ...key.export({ format: 'jwk' }),
      use: 'sig',
      kid,
    });
    const sign = (key: typeof rsa.privateKey, keyId: string, algorithm: 'RS256' | 'ES256'): string =>
      signToken(key, { sub: keyId }, { algorithm, issuer: ISSUER, nowS: NOW_S, keyId });
    const byOld = sign(rsa.privateKey, 'old', 'RS256');
    const byNew = sign(ec256.privateKey, 'new', 'ES256');

    beforeEach(async () => {
      keysMs = 0;
      server = createServer((_request, response) => response.end(JSON.stringify({ keys: set }))).listen(0, '127.0.0.1');
      await once(server, 'listening');
    });
    afterEach(async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    });

    function withKeySet(): VerifiedTokens {
      const keys = new JwksKeys({
        url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
        issuer: ISSUER,
        algorithms: PUBLIC_KEY_ALGORITHMS,
        clock: { mono: () => keysMs },
        report: () => undefined,
      });
      return remember(new TokenVerifier(keys, { clock, issuer: ISSUER }));
    }

    it('a key that was withdrawn must not go on opening the door to tokens that are remembered', async () => {
      set = [jwk(rsa.publicKey, 'old')];
      const tokens = withKeySet();
      await tokens.verify(byOld);
      set = [jwk(ec256.publicKey, 'new')];
      keysMs += JWKS_LIMITS.cooldownMs;
      await tokens.verify(byNew);
      expect(await reasonOf(tokens, byOld)).to.equal('unknown_key');
    });

    it('a key that came back under the same name with another value must not either', async () => {
      set = [jwk(rsa.publicKey, 'old')];
      const tokens = withKeySet();
      await tokens.verify(byOld);
      set = [jwk(ec256.publicKey, 'new'), jwk(ec256.publicKey, 'old')];
      keysMs += JWKS_LIMITS.cooldownMs;
      await tokens.verify(byNew);
      expect(await reasonOf(tokens, byOld)).to.equal('unknown_key');
    });

    it('a set that is too old must be fetched for a remembered token too', async () => {
      set = [jwk(rsa.publicKey, 'old')];
      const tokens = withKeySet();
      await tokens.verify(byOld);
      set = [jwk(ec256.publicKey, 'new')];
      keysMs += JWKS_LIMITS.maxAgeMs;
      expect(await reasonOf(tokens, byOld)).to.equal('unknown_key');
    });

    it('a token whose key was not known yet must be let in when the key is there', async () => {
      set = [jwk(rsa.publicKey, 'old')];
      const tokens = withKeySet();
      expect(await reasonOf(tokens, byNew)).to.equal('unknown_key');
      set = [jwk(ec256.publicKey, 'new')];
      keysMs += JWKS_LIMITS.cooldownMs;
      expect((await tokens.verify(byNew)).userId).to.equal('new');
    });
  });
});
