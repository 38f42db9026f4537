import {
  DEVELOPMENT_SECRET,
  loadSettings,
  settingsMarkdown,
  settingsSchema,
} from '@unified-ws/server/settings/settings';
import { ENTRIES } from '@unified-ws/server/settings/table/entries';
import { expect } from 'chai';
import { problemOf, problemsOf } from './support.js';

describe('settings', () => {
  it('have their documented defaults in an empty environment', () => {
    const settings = loadSettings({});
    expect(settings).to.include({
      port: 8080,
      host: '127.0.0.1',
      allowDevelopmentSecret: false,
      nodes: 1,
      redisUrl: 'redis://127.0.0.1:6379',
      redisQueueUrl: null,
      redisPrefix: 'uws',
      redisCommandTimeoutMs: 1500,
      maxConnections: 50_000,
      maxPayload: 65_536,
      maxSubscriptions: 200,
      messageRate: 100,
      messageBurst: 200,
      connectRatePerIp: 0,
      connectBurstPerIp: 200,
      maxPendingAuth: 1000,
      authTimeoutMs: 10_000,
      trustProxy: false,
      leaseTtlMs: 5000,
      replaceTimeoutMs: 6000,
      commandTimeoutMs: 2000,
      pingIntervalMs: 25_000,
      pingTimeoutMs: 10_000,
      heartbeatIntervalMs: 25_000,
      maxConsecutiveErrors: 5,
      maxBufferedBytes: 1_048_576,
      sweepIntervalMs: 30_000,
      historySize: 100_000,
      historyBytes: 67_108_864,
      historyTtlMs: 3_600_000,
      eventQueuePartitions: 8,
      eventQueueMax: 100_000,
      connectionPolicy: 'replace',
      legacyEndpoints: false,
      drainMs: 5000,
      metricsToken: null,
      logLevel: 'info',
      nodeEnv: 'development',
    });
    expect(settings.allowedOrigins).to.deep.equal(['*']);
    expect(settings.jwtSecret).to.deep.equal([DEVELOPMENT_SECRET]);
    expect(settings.nodeId).to.match(/^[A-Za-z0-9._-]+-\d+-[0-9a-f]{6}$/);
    expect(loadSettings({}).nodeId).to.not.equal(settings.nodeId);
  });

  it('are frozen, lists included', () => {
    const settings = loadSettings({ JWT_SECRET: 'a,b' });
    const open = settings as unknown as { port: number; jwtSecret: string[] };
    expect(() => {
      open.port = 1;
    }).to.throw(TypeError);
    expect(() => open.jwtSecret.push('c')).to.throw(TypeError);
  });

  it('come from variables and flags, the flag wins', () => {
    const settings = loadSettings({ PORT: '1000', LEASE_TTL_MS: '7000', OTHER: 'x', constructor: 'y' }, [
      '--port=9000',
      '--connection-policy',
      'reject',
      '--trust-proxy',
      '2',
    ]);
    expect(settings).to.include({
      port: 9000,
      leaseTtlMs: 7000,
      replaceTimeoutMs: 8000,
      connectionPolicy: 'reject',
      trustProxy: 2,
    });
    expect(settings).to.not.have.property('other');
  });

  it('count an empty variable as unset, as Compose files pass it on', () => {
    const settings = loadSettings({ PORT: '', REDIS_QUEUE_URL: ' ', METRICS_TOKEN: '', JWT_SECRET: ',' });
    expect(settings).to.include({ port: 8080, redisQueueUrl: null, metricsToken: null });
    expect(settings.jwtSecret).to.deep.equal([DEVELOPMENT_SECRET]);
    expect(loadSettings({ PORT: '1000' }, ['--port=']).port).to.equal(8080);
  });

  it('lists are split at commas and trimmed', () => {
    const settings = loadSettings({
      JWT_SECRET: ' new , old ',
      ALLOWED_ORIGINS: 'https://a.example,https://b.example:8443',
    });
    expect(settings.jwtSecret).to.deep.equal(['new', 'old']);
    expect(settings.allowedOrigins).to.deep.equal(['https://a.example', 'https://b.example:8443']);
  });

  describe('every error names the variable, the bad value and what is allowed', () => {
    it('for numbers', () => {
      expect(problemOf('PORT', { PORT: 'abc' })).to.equal('"abc" is not valid; allowed: an integer from 0 to 65535');
      for (const bad of ['70000', '-1', '1.5', '1e3', '0x10', '80 80', '99999999999999999999', 'NaN', 'Infinity']) {
        expect(problemOf('PORT', { PORT: bad }))
          .to.include(bad)
          .and.include('0 to 65535');
      }
    });

    it('for every entry of the table', () => {
      const unlimited = new Set(['JWT_SECRET', 'JWT_PUBLIC_KEY', 'JWT_ISSUER', 'JWT_ISSUERS', 'JWT_AUDIENCE']);
      for (const entry of ENTRIES) {
        if (unlimited.has(entry.env)) continue;
        const message = problemOf(entry.env, { [entry.env]: '\u0001 bad' });
        expect(message).to.include(entry.allowed);
      }
      expect(problemOf('JWT_ISSUER', { JWT_ISSUER: 'x'.repeat(513) }))
        .to.include('512')
        .and.have.length.below(250);
    });

    it('for choices and lists, the item at fault', () => {
      expect(problemOf('CONNECTION_POLICY', { CONNECTION_POLICY: 'keep' })).to.equal(
        '"keep" is not valid; allowed: one of replace, reject',
      );
      expect(problemOf('JWT_ALGORITHMS', { JWT_ALGORITHMS: 'HS256,EdDSA' })).to.match(/^"EdDSA" is not valid/);
      expect(problemOf('JWT_ALGORITHMS', { JWT_ALGORITHMS: 'HS256,HS256' })).to.include('names something twice');
      for (const env of ['prod', 'Production', 'staging'])
        expect(problemOf('NODE_ENV', { NODE_ENV: env })).to.include(env);
    });

    it('for true and false, so that no `yes` or `1` silently means false', () => {
      expect(loadSettings({ LEGACY_ENDPOINTS: 'true' }).legacyEndpoints).to.equal(true);
      expect(loadSettings({ LEGACY_ENDPOINTS: 'true' }, ['--legacy-endpoints=false']).legacyEndpoints).to.equal(false);
      for (const bad of ['yes', '1', 'True', 'off']) {
        expect(problemOf('LEGACY_ENDPOINTS', { LEGACY_ENDPOINTS: bad })).to.equal(
          `"${bad}" is not valid; allowed: true or false`,
        );
      }
    });

    it('for flags, unknown ones and those without a value', () => {
      expect(problemOf('--nope', {}, ['--nope', 'value'])).to.equal('there is no such flag');
      expect(problemOf('--nope', {}, ['--nope=TOPSECRET'])).to.not.include('TOPSECRET');
      expect(problemOf('PORT', {}, ['--port'])).to.include('--port needs a value');
      expect(problemOf('PORT', {}, ['--port', '--host=127.0.0.1'])).to.include('--port needs a value');
      expect(problemOf('command line', {}, ['stray'])).to.not.include('stray');
      expect(problemOf('--__proto__', {}, ['--__proto__=1'])).to.equal('there is no such flag');
    });

    it('and all problems come at once', () => {
      const problems = problemsOf(
        {
          NODE_ENV: 'production',
          PORT: 'x',
          REDIS_URL: 'http://r',
          JWT_SECRET: 'short',
          JWT_PUBLIC_KEY: '/nope',
          JWT_ALGORITHMS: 'x',
        },
        ['--nope'],
      );
      expect(problems.map((one) => one.setting)).to.have.members([
        '--nope',
        'PORT',
        'REDIS_URL',
        'JWT_ALGORITHMS',
        'JWT_SECRET',
        'JWT_PUBLIC_KEY',
        'JWT_ISSUER',
        'JWT_AUDIENCE',
        'ALLOWED_ORIGINS',
      ]);
    });
  });

  describe('Redis URLs', () => {
    it('of all four kinds are taken', () => {
      for (const url of [
        'redis://r',
        'rediss://user:pw@r:6380/2',
        'redis://[::1]:6379',
        'redis+sentinel://:pw@a:1,b:2/mymaster/0',
        'redis+cluster://a:1,b:2',
      ]) {
        expect(loadSettings({ REDIS_URL: url }).redisUrl).to.equal(url);
      }
    });

    it('of other kinds, without a host or with a bad port are refused', () => {
      for (const url of [
        'http://r',
        'r:6379',
        'redis://',
        'redis://r:99999',
        'redis+sentinel://a:1',
        'redis+cluster://a:x',
      ]) {
        problemOf('REDIS_URL', { REDIS_URL: url });
        problemOf('REDIS_QUEUE_URL', { REDIS_QUEUE_URL: url });
      }
    });
  });

  describe('TRUST_PROXY', () => {
    const read = (text: string) => loadSettings({ TRUST_PROXY: text }).trustProxy;

    it('is nobody, a number of hops, or a list of proxies', () => {
      expect(read('false')).to.equal(false);
      expect(read('0')).to.equal(false);
      expect(read('2')).to.equal(2);
      expect(read('loopback, 10.0.0.0/8,::1,fd00::/8')).to.deep.equal(['loopback', '10.0.0.0/8', '::1', 'fd00::/8']);
    });

    it('is not everybody: each client would choose the address that its limits are counted under', () => {
      for (const bad of [
        'true',
        '*',
        '0.0.0.0/0',
        '::/0',
        '-1',
        '33',
        'proxy.local',
        '10.0.0.0/33',
        '10.0.0.0/8/8',
        '1.2.3',
      ]) {
        problemOf('TRUST_PROXY', { TRUST_PROXY: bad });
      }
    });
  });

  it('ALLOWED_ORIGINS that no Origin header can be equal to are refused', () => {
    for (const bad of [
      'https://a.example/',
      'https://a.example:443',
      'https://A.example',
      'a.example',
      'null',
      'https://*.a.example/x',
    ]) {
      problemOf('ALLOWED_ORIGINS', { ALLOWED_ORIGINS: bad });
    }
    for (const good of ['http://localhost:3000', 'capacitor://localhost', 'https://[::1]:8443']) {
      expect(loadSettings({ ALLOWED_ORIGINS: good }).allowedOrigins).to.deep.equal([good]);
    }
  });

  it('REPLACE_TIMEOUT_MS below the lease and a second is refused: the replaced one could still deliver', () => {
    expect(problemOf('REPLACE_TIMEOUT_MS', { REPLACE_TIMEOUT_MS: '5999' }))
      .to.include('5999')
      .and.include('6000');
    expect(problemOf('REPLACE_TIMEOUT_MS', { LEASE_TTL_MS: '8000', REPLACE_TIMEOUT_MS: '8500' })).to.include('9000');
    expect(loadSettings({ LEASE_TTL_MS: '4000', REPLACE_TIMEOUT_MS: '5000' }).replaceTimeoutMs).to.equal(5000);
  });

  it('docs/CONFIG.md lists every setting with its flag, and shows no host-dependent default', () => {
    const markdown = settingsMarkdown();
    for (const entry of ENTRIES) {
      const row = markdown.split('\n').find((line) => line.startsWith(`| \`${entry.env}\``));
      expect(row, entry.env).to.include(entry.meaning);
      expect(row).to.include(`\`--${entry.env.toLowerCase().replaceAll('_', '-')}\``);
      expect(row?.replaceAll('\\|', '').split('|')).to.have.length(7);
    }
    expect(markdown).to.equal(settingsMarkdown());
    expect(markdown).to.include('`<host>-<pid>-<random>`').and.include('`0`; in production `50`');
    expect(markdown).to.not.include(DEVELOPMENT_SECRET);
  });

  it('the schema has every setting', () => {
    expect(Object.keys(settingsSchema.properties)).to.have.members(Object.keys(loadSettings({})));
    expect(new Set(ENTRIES.map((entry) => entry.env)).size).to.equal(ENTRIES.length);
  });
});
