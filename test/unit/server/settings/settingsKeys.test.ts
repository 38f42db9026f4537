import { generateKeyPairSync } from 'node:crypto';
import { inspect } from 'node:util';
import {
  DEVELOPMENT_SECRET,
  describeSettings,
  loadSettings,
  maskUrl,
  openDoors,
} from '@unified-ws/server/settings/settings';
import { expect } from 'chai';
import { type Env, PRODUCTION, problemOf, problemsOf, STRONG } from './support.js';

describe('settings that are secret, or kept from being unsafe', () => {
  describe('keys', () => {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const PEM = publicKey.export({ type: 'spki', format: 'pem' }).toString();
    const ISSUER = { JWT_ISSUER: 'https://id.example' };

    it('the development secret is there only when nothing else is, or it would let everybody in', () => {
      expect(loadSettings({ JWT_PUBLIC_KEY: PEM }).jwtSecret).to.deep.equal([]);
      expect(loadSettings({ JWT_JWKS_URL: 'https://id.example/jwks', ...ISSUER }).jwtSecret).to.deep.equal([]);
      expect(loadSettings({ NODE_ENV: 'test' }).jwtSecret).to.deep.equal([DEVELOPMENT_SECRET]);
    });

    it('the development secret is refused where other machines can connect, or the world would be an admin', () => {
      for (const HOST of ['0.0.0.0', '::', '10.0.0.1', 'node-1', '127.0.0.1.example.com', '128.0.0.1']) {
        for (const NODE_ENV of [undefined, 'development', 'test']) {
          expect(problemOf('JWT_SECRET', { HOST, NODE_ENV })).to.include('ALLOW_DEVELOPMENT_SECRET').and.include(HOST);
        }
        // Given by hand, or beside another one, it lets everybody in all the same.
        problemOf('JWT_SECRET', { HOST, JWT_SECRET: DEVELOPMENT_SECRET });
        problemOf('JWT_SECRET', { HOST, JWT_SECRET: `${STRONG},${DEVELOPMENT_SECRET}` });
        expect(problemsOf({ HOST, ALLOW_DEVELOPMENT_SECRET: 'true' })).to.deep.equal([]);
        expect(problemsOf({ HOST, JWT_SECRET: STRONG })).to.deep.equal([]);
      }
      problemOf('JWT_SECRET', { JWT_SECRET: DEVELOPMENT_SECRET });
      problemOf('JWT_SECRET', { ...PRODUCTION, JWT_SECRET: DEVELOPMENT_SECRET, ALLOW_DEVELOPMENT_SECRET: 'true' });
      for (const HOST of ['127.0.0.1', '127.8.9.1', '::1', 'localhost', undefined]) {
        expect(loadSettings({ HOST }).jwtSecret).to.deep.equal([DEVELOPMENT_SECRET]);
      }
    });

    it('without a key a node listens on its own machine alone, with one on every interface', () => {
      expect(loadSettings({}).host).to.equal('127.0.0.1');
      expect(loadSettings({ JWT_SECRET: STRONG }).host).to.equal('0.0.0.0');
      expect(loadSettings({ JWT_PUBLIC_KEY: PEM }).host).to.equal('0.0.0.0');
      expect(loadSettings(PRODUCTION).host).to.equal('0.0.0.0');
    });

    it('what a node leaves open to strangers is told, each thing by its setting', () => {
      const doors = (env: Env): string[] =>
        openDoors(loadSettings(env)).map((door) => /\((\w+)\)$/.exec(door)?.[1] ?? '');
      expect(doors({})).to.deep.equal(['JWT_SECRET']);
      expect(doors({ HOST: '::', ALLOW_DEVELOPMENT_SECRET: 'true' })).to.deep.equal([
        'JWT_SECRET',
        'METRICS_TOKEN',
        'ALLOWED_ORIGINS',
      ]);
      expect(doors({ JWT_SECRET: STRONG, METRICS_TOKEN: 'x', ALLOWED_ORIGINS: 'https://a.example' })).to.deep.equal([]);
      expect(doors({ HOST: '127.0.0.1', JWT_SECRET: STRONG })).to.deep.equal([]);
      expect(doors(PRODUCTION)).to.deep.equal([]);
    });

    it('a key set without an issuer, with a password, or beside a public key is refused', () => {
      const JWT_JWKS_URL = 'https://id.example/jwks';
      problemOf('JWT_ISSUER', { JWT_JWKS_URL });
      problemOf('JWT_PUBLIC_KEY', { JWT_JWKS_URL, JWT_PUBLIC_KEY: PEM, ...ISSUER });
      expect(problemOf('JWT_JWKS_URL', { JWT_JWKS_URL: 'https://u:TOPSECRET@id.example/', ...ISSUER })).to.not.include(
        'TOPSECRET',
      );
      problemOf('JWT_JWKS_URL', { JWT_JWKS_URL: 'file:///etc/passwd', ...ISSUER });
    });

    it('a key that no accepted algorithm fits is refused', () => {
      problemOf('JWT_ALGORITHMS', { JWT_SECRET: STRONG, JWT_ALGORITHMS: 'RS256' });
      problemOf('JWT_ALGORITHMS', { JWT_PUBLIC_KEY: PEM, JWT_ALGORITHMS: 'ES256,HS256' });
      problemOf('JWT_ALGORITHMS', { JWT_JWKS_URL: 'https://id.example/jwks', ...ISSUER, JWT_ALGORITHMS: 'HS256' });
      problemOf('JWT_ALGORITHMS', { JWT_ALGORITHMS: 'RS256' });
    });

    it('a private key given for a public one is refused and not shown', () => {
      const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
      const message = problemOf('JWT_PUBLIC_KEY', { JWT_PUBLIC_KEY: pem });
      expect(message).to.equal('"(PEM text)" holds a private key; give the public one');
    });
  });

  describe('in production', () => {
    it('a complete configuration is taken, with the limits of production', () => {
      expect(loadSettings(PRODUCTION)).to.include({ nodeEnv: 'production', connectRatePerIp: 50 });
      expect(loadSettings({ ...PRODUCTION, CONNECT_RATE_PER_IP: '0' }).connectRatePerIp).to.equal(0);
    });

    it('no key, the development secret, or a short one is refused', () => {
      problemOf('JWT_SECRET', { ...PRODUCTION, JWT_SECRET: undefined });
      problemOf('JWT_SECRET', { ...PRODUCTION, JWT_SECRET: DEVELOPMENT_SECRET });
      problemOf('JWT_SECRET', { ...PRODUCTION, JWT_SECRET: `${STRONG},${DEVELOPMENT_SECRET}` });
      expect(problemOf('JWT_SECRET', { ...PRODUCTION, JWT_SECRET: 'é'.repeat(15) })).to.include('30 bytes');
      expect(loadSettings({ ...PRODUCTION, JWT_SECRET: 'é'.repeat(16) }).jwtSecret).to.have.length(1);
    });

    it('a key of another kind stands in for the secret', () => {
      const settings = loadSettings({ ...PRODUCTION, JWT_SECRET: undefined, JWT_JWKS_URL: 'https://id.example/jwks' });
      expect(settings.jwtSecret).to.deep.equal([]);
    });

    it('open or absent origins, no issuer and no audience are refused', () => {
      problemOf('ALLOWED_ORIGINS', { ...PRODUCTION, ALLOWED_ORIGINS: '*' });
      problemOf('ALLOWED_ORIGINS', { ...PRODUCTION, ALLOWED_ORIGINS: 'https://a.example,*' });
      problemOf('ALLOWED_ORIGINS', { ...PRODUCTION, ALLOWED_ORIGINS: undefined });
      problemOf('JWT_ISSUER', { ...PRODUCTION, JWT_ISSUER: undefined });
      problemOf('JWT_AUDIENCE', { ...PRODUCTION, JWT_AUDIENCE: '' });
    });
  });

  describe('secrets', () => {
    const env = {
      JWT_SECRET: 'TOPSECRET1,TOPSECRET2',
      METRICS_TOKEN: 'TOPSECRET3',
      REDIS_URL: 'redis://user:TOP:SEC@RET4@r:6379',
      REDIS_QUEUE_URL: 'redis+sentinel://:TOPSECRET5@a:1,b:2/m',
    };

    it('are not shown by console.log, JSON or describeSettings', () => {
      const settings = loadSettings(env);
      expect(settings.jwtSecret).to.deep.equal(['TOPSECRET1', 'TOPSECRET2']);
      for (const text of [
        inspect(settings),
        inspect({ nested: { settings } }, { depth: 5 }),
        JSON.stringify({ settings }),
        JSON.stringify(describeSettings(settings)),
        JSON.stringify(describeSettings({ ...settings, more: 'TOPSECRET' } as typeof settings)),
      ]) {
        expect(text).to.not.match(/TOP|SECRET|RET4/);
      }
      expect(describeSettings(settings)).to.include({
        redisUrl: 'redis://user:***@r:6379/0',
        port: 8080,
        metricsToken: '***',
      });
    });

    it('are not shown by errors, when the value is bad too', () => {
      const bad = {
        ...env,
        NODE_ENV: 'production',
        METRICS_TOKEN: 'TOPSECRET with blank',
        REDIS_URL: 'user:TOPSECRET@r',
        JWT_SECRET: 'TOPSECRET,TOPSECRET',
      };
      for (const problem of problemsOf(bad)) expect(problem.message).to.not.include('TOPSECRET');
      expect(problemsOf(bad).map((one) => one.setting)).to.include.members([
        'METRICS_TOKEN',
        'REDIS_URL',
        'JWT_SECRET',
      ]);
    });

    it('in URLs are masked wherever they stand', () => {
      expect(maskUrl('redis://r:6379/0')).to.equal('redis://r:6379/0');
      expect(maskUrl('redis://u:p@r')).to.equal('redis://u:***@r');
      expect(maskUrl('redis://:p@r')).to.equal('redis://:***@r');
      expect(maskUrl('redis://p@r')).to.equal('redis://***@r');
      expect(maskUrl('redis://r?password=p&db=1')).to.equal('redis://r?password=***&db=1');
      expect(maskUrl('redis://r?sentinelPassword=p')).to.equal('redis://r?sentinelPassword=***');
    });
  });
});
