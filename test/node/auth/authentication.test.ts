import { createHmac, generateKeyPairSync } from 'node:crypto';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { signToken } from '@unified-ws/server/auth/signToken';
import { expect } from 'chai';
import type { ClientOptions, TestClient } from '../../support/client.js';
import { NodeProcess } from '../../support/cluster.js';
import { OPCODE } from '../../support/rawClient.js';
import { TEST_SECRET, type TokenOptions, token } from '../../support/tokens.js';
import { until } from '../../support/wait.js';
import { expectMessage } from '../support/schemas.js';
import { type LocalNode, World } from '../support/world.js';

const ISSUER = 'https://issuer.test';
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });

function good(sub: string, options: TokenOptions = {}): string {
  return token(sub, { issuer: ISSUER, audience: 'cluster', ...options });
}

/** Any header and payload: no library makes what an attacker makes. */
function forged(header: unknown, payload: unknown): string {
  const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const input = `${encode(header)}.${encode(payload)}`;
  return `${input}.${createHmac('sha256', TEST_SECRET).update(input).digest('base64url')}`;
}

const nowS = Math.floor(Date.now() / 1000);

/** Each way a token can be wrong: reason, error code, close code. */
const WRONG: readonly [reason: string, code: string, close: number, token: string][] = [
  ['malformed', 'AUTH_ERROR', 4100, 'rubbish'],
  ['malformed', 'AUTH_ERROR', 4100, 'a.b.c'],
  ['bad_signature', 'AUTH_ERROR', 4100, good('u', { secret: 'x'.repeat(40) })],
  ['bad_signature', 'AUTH_ERROR', 4100, `${good('u').slice(0, -3)}AAA`],
  ['wrong_algorithm', 'AUTH_ERROR', 4100, forged({ alg: 'none' }, { sub: 'u', exp: nowS + 60 })],
  ['wrong_algorithm', 'AUTH_ERROR', 4100, signToken(rsa.privateKey, { sub: 'u' }, { algorithm: 'RS256' })],
  ['expired', 'TOKEN_EXPIRED', 4101, good('u', { claims: { exp: nowS - 60 } })],
  ['not_yet_valid', 'AUTH_ERROR', 4100, good('u', { claims: { nbf: nowS + 600 } })],
  ['wrong_issuer', 'AUTH_ERROR', 4100, good('u', { issuer: 'https://somebody.test' })],
  ['wrong_audience', 'AUTH_ERROR', 4100, good('u', { audience: 'another' })],
  ['wrong_token_use', 'AUTH_ERROR', 4100, good('u', { claims: { token_use: 'refresh' } })],
  ['wrong_token_use', 'AUTH_ERROR', 4100, good('u', { claims: { type: 'refresh' } })],
  ['invalid_claims', 'AUTH_ERROR', 4100, forged({ alg: 'HS256' }, { exp: nowS + 60, iss: ISSUER, aud: 'cluster' })],
  ['invalid_claims', 'AUTH_ERROR', 4100, forged({ alg: 'HS256' }, { sub: 'u', iss: ISSUER, aud: 'cluster' })],
  ['invalid_claims', 'AUTH_ERROR', 4100, good('\ud800')],
];

describe('authentication', function () {
  this.timeout(10_000);
  const world = new World();
  let node: LocalNode;

  before(async () => {
    await world.start();
    node = await world.node({ JWT_ISSUER: ISSUER, JWT_AUDIENCE: 'cluster', AUTH_TIMEOUT_MS: '300' });
  });
  afterEach(() => world.endClients());
  after(() => world.stop());

  /** Every way to bring a token, and the client that does. */
  function carriers(text: string, to: { readonly ws: string } = node): Record<string, () => TestClient> {
    const dial = (options: ClientOptions): (() => TestClient) => {
      return () => world.dial(to, options);
    };
    return {
      header: dial({ token: text }),
      subprotocol: dial({ protocols: ['unified.v1', `bearer.${text}`] }),
      query: dial({ query: { token: text } }),
      'first message': () => {
        const client = world.dial(to);
        client.ws.once('open', () => client.send('authenticate', { token: text }, 'first'));
        return client;
      },
    };
  }

  it('a carrier that the server does not know keeps a whole kind of client out', async () => {
    for (const [name, dial] of Object.entries(carriers(good('carried')))) {
      const client = dial();
      const establishedData = await client.established();
      expect(establishedData.user_id, name).to.equal('carried');
      expect(client.frames[0]?.reply_to, name).to.equal(name === 'first message' ? 'first' : undefined);
      // It never names the other subprotocol: that would send the token back.
      expect(client.ws.protocol, name).to.equal(name === 'subprotocol' ? 'unified.v1' : '');
      await client.close();
    }
  });

  it('a bad token that another carrier outweighs would let the attacker choose which one is looked at', async () => {
    const query = { token: good('second') };
    const client = world.dial(node, { token: 'rubbish', query });
    expect((await client.closed()).code).to.equal(4100);
    const other = world.dial(node, { protocols: ['unified.v1', 'bearer.rubbish'], query });
    expect((await other.closed()).code).to.equal(4100);
  });

  it('a browser that cannot read the status of a failed upgrade must be told by a message and a code', async () => {
    for (const [reason, code, close, text] of WRONG) {
      const clients = Object.entries(carriers(text)).map(([name, dial]) => [name, dial()] as const);
      for (const [name, client] of clients) {
        const ending = await client.closed();
        const what = `${reason} by ${name}`;
        expect(ending, what).to.include({ code: close, status: null });
        expect(client.frames, what).to.have.length(1);
        const [frame] = client.frames;
        if (!frame) throw new Error(what);
        expectMessage(frame, 'error');
        expect(frame.data, what).to.include({ error_code: code, recoverable: false });
        expect(frame.data.details, what).to.include({ reason });
        expect(frame.reply_to, what).to.equal(name === 'first message' ? 'first' : undefined);
        expect(JSON.stringify(frame), `${what} repeats the token`).to.not.include(text);
        expect(ending.reason, what).to.not.include(text);
      }
    }
  });

  it('a token with is_admin of another kind, or of an unknown role, must give nothing', async () => {
    const odd = await world.connect(node, 'odd', [], {
      token: good('odd', { roles: ['superuser', 'constructor', '__proto__'] }),
    });
    expect(odd.establishedData?.permissions).to.deep.equal([]);
    expect(odd.establishedData?.subscriptions).to.deep.equal([]);
    const claims = { sub: 'u', is_admin: 'yes', iss: ISSUER, aud: 'cluster', exp: nowS + 3600 };
    const text = world.dial(node, { token: forged({ alg: 'HS256' }, claims) });
    expect((await text.closed()).code).to.equal(4100);
  });

  it('the roles of the token are the roles of the connection, in each of the three ways to write them', async () => {
    const base = { iss: ISSUER, aud: 'cluster', exp: nowS + 3600, iat: nowS };
    const expected: [Record<string, unknown>, string[], boolean][] = [
      [{ roles: ['admin', 'service'] }, ['admin', 'service'], true],
      [{ role: 'operator' }, ['operator'], false],
      [{ is_admin: true }, ['admin'], true],
      [{}, ['user'], false],
    ];
    for (const [claims, roles, isAdmin] of expected) {
      const text = forged({ alg: 'HS256' }, { ...base, sub: world.user(), ...claims });
      const client = world.dial(node, { token: text });
      const establishedData = await client.established();
      expect(establishedData.roles).to.deep.equal(roles);
      expect(establishedData.is_admin).to.equal(isAdmin);
    }
  });

  it('a connection that brings no token must not be kept for ever', async () => {
    const silent = world.dial(node);
    const pinging = await world.raw(node);
    const beats = setInterval(() => pinging.send('alive', { opcode: OPCODE.PING }), 50);
    const ending = await silent.closed(2000);
    expect(ending.code).to.equal(4103);
    expect(ending.at - silent.startedAt).to.be.within(300, 1500);
    expect(silent.frames[0]?.data).to.include({ error_code: 'AUTH_ERROR' });
    expect(await pinging.closed(), 'pings are no authentication').to.equal(4103);
    clearInterval(beats);
  });

  it('a first message that is not authenticate must not be worked on', async () => {
    const attempts: [string | Buffer, number, string | null][] = [
      ['{"type":"ping"}', 4100, 'AUTH_ERROR'],
      ['{"type":"disconnect_user","data":{"user_id":"x"}}', 4100, 'AUTH_ERROR'],
      ['rubbish', 4100, 'MESSAGE_ERROR'],
      ['{"type":"authenticate"}', 4100, 'VALIDATION_ERROR'],
      ['{"type":"authenticate","data":{"token":7}}', 4100, 'VALIDATION_ERROR'],
      [`{"type":"authenticate","data":{"token":"${'x'.repeat(8193)}"}}`, 4100, 'VALIDATION_ERROR'],
      [`{"type":"authenticate","data":{"token":"${'x'.repeat(70_000)}"}}`, 1009, null],
      [Buffer.from([1, 2, 3]), 1003, null],
    ];
    for (const [message, close, code] of attempts) {
      const client = world.dial(node);
      client.ws.once('open', () => client.ws.send(message));
      expect((await client.closed()).code, String(message).slice(0, 60)).to.equal(close);
      expect(client.frames[0]?.data.error_code ?? null, String(message).slice(0, 60)).to.equal(code);
    }
  });

  it('what is sent after a refused token must not be answered', async () => {
    const raw = await world.raw(node, { token: 'rubbish' });
    raw.send('{"type":"authenticate","data":{"token":"rubbish"}}');
    raw.send('{"type":"ping"}');
    expect(await raw.closed()).to.equal(4100);
    await raw.gone();
    expect(raw.messages).to.have.length(1);
  });

  it('a log that holds tokens is a way in for everybody who reads it', async () => {
    const process = new NodeProcess({
      id: 'logging',
      env: { REDIS_URL: world.redis.url, JWT_ISSUER: ISSUER, EVENT_QUEUE_PARTITIONS: '1' },
    });
    const lines: string[] = [];
    process.log.onLine = (line) => lines.push(line);
    await process.start();
    await process.ready();
    const mark = 'in-the-log';
    const texts = [good(mark), good(mark, { issuer: 'https://somebody.test' }), good(mark, { secret: 'x'.repeat(40) })];
    for (const text of texts) {
      for (const dial of Object.values(carriers(text, process))) {
        const client = dial();
        await Promise.race([client.ended, client.established()]);
        await client.close();
      }
      const headers = { authorization: `Bearer ${text}` };
      await fetch(`${process.http}/api/unified/ws/stats?token=${text}`, { headers });
      await fetch(`${process.http}/nothing?token=${text}`, { headers });
    }
    await process.stop();
    expect(
      lines.some((line) => line.includes(mark)),
      'the log tells of these connections',
    ).to.equal(true);
    for (const text of texts) {
      const [, payload = '', signature = ''] = text.split('.');
      const found = lines.filter((line) => line.includes(payload) || line.includes(signature));
      expect(found).to.deep.equal([]);
    }
  });

  it('a client id or a position in the first message counts as one in the query', async () => {
    const user = world.user();
    const client = world.dial(node);
    client.ws.once('open', () => {
      client.send('authenticate', { token: good(user), client: 'abcdefgh.3', resume: 'abcdefgh.1.x~' });
    });
    const establishedData = await client.established();
    expect(establishedData.resume.broadcast).to.equal('none');
    const entry = await world.entry(world.redis.client(), user);
    expect(entry).to.include({ client: 'abcdefgh', attempt: '3' });
  });
});

describe('authentication by a key set', function () {
  this.timeout(10_000);
  const world = new World();
  let node: LocalNode;
  let issuer: Server;
  let answer: (response: ServerResponse) => void;
  const sign = (sub: string, keyId = 'k1'): string =>
    signToken(rsa.privateKey, { sub, roles: ['user'] }, { algorithm: 'RS256', issuer: ISSUER, keyId });
  const keySet = JSON.stringify({
    keys: [{ ...rsa.publicKey.export({ format: 'jwk' }), kid: 'k1', alg: 'RS256', use: 'sig' }],
  });

  before(async () => {
    issuer = createServer((_request, response) => answer(response));
    await new Promise<void>((resolve) => issuer.listen(0, '127.0.0.1', resolve));
    await world.start();
  });
  beforeEach(async () => {
    const { port } = issuer.address() as AddressInfo;
    node = await world.node({ JWT_SECRET: '', JWT_JWKS_URL: `http://127.0.0.1:${port}/jwks`, JWT_ISSUER: ISSUER });
  });
  afterEach(async () => {
    await world.endClients();
    await world.endNodes();
  });
  after(async () => {
    issuer.closeAllConnections();
    issuer.close();
    await world.stop();
  });

  it('a key that the issuer does not have must not be told from a bad signature by guessing', async () => {
    answer = (response) => response.end(keySet);
    await world.connect(node, 'by-key', [], { token: sign('by-key') });
    const unknown = world.dial(node, { token: sign('by-key', 'k2') });
    expect((await unknown.closed()).code).to.equal(4100);
    expect(unknown.frames[0]?.data.details).to.include({ reason: 'unknown_key' });
    const secret = world.dial(node, { token: good('by-key') });
    expect((await secret.closed()).code).to.equal(4100);
    expect(secret.frames[0]?.data.details).to.include({ reason: 'wrong_algorithm' });
  });

  it('an issuer that is away must not send clients to fetch a new token: theirs is good', async () => {
    answer = (response) => response.writeHead(500).end();
    const client = world.dial(node, { token: sign('patient') });
    expect((await client.closed()).code).to.equal(4207);
    expect(client.frames[0]?.data).to.include({ error_code: 'UNAVAILABLE', recoverable: true });
  });

  it('what a client sends while its token is looked up must wait, not end the connection for good', async () => {
    let held: ServerResponse | null = null;
    answer = (response) => {
      held = response;
    };
    const client = world.dial(node, { token: sign('eager') });
    client.ws.once('open', () => {
      for (let n = 0; n < 100; n += 1) client.send('ping', {}, `p${n}`);
    });
    const response = await until(() => held, { what: 'the key set is asked for' });
    expect(client.frames).to.deep.equal([]);
    response.end(keySet);
    await client.waitFor('pong', (frame) => frame.reply_to === 'p99');
    const order = client.frames.map((frame) => frame.reply_to ?? frame.type);
    expect(order).to.deep.equal(['connection_established', ...Array.from({ length: 100 }, (_, n) => `p${n}`)]);
  });

  it('a second token while the first is looked up must not be taken instead', async () => {
    let held: ServerResponse | null = null;
    answer = (response) => {
      held = response;
    };
    const client = world.dial(node);
    client.ws.once('open', () => {
      client.send('authenticate', { token: sign('first-one') });
      client.send('authenticate', { token: sign('second-one') }, 'second');
    });
    (await until(() => held, { what: 'the key set is asked for' })).end(keySet);
    expect((await client.established()).user_id).to.equal('first-one');
    const refused = await client.waitFor('error', (frame) => frame.reply_to === 'second');
    expect(refused.data.error_code).to.equal('UNKNOWN_MESSAGE_TYPE');
  });
});
