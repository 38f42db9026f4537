import { NO_AMENDMENT } from '@unified-ws/server/registry/store/amendment';
import { expect } from 'chai';
import { type LocalNode, World } from '../../../node/support/world.js';
import { rawHttp } from '../../../support/rawHttp.js';
import { adminToken } from '../../../support/tokens.js';
import { StubApp } from './stubApp.js';
import { type Answer, call, expectProblem } from './support.js';

describe('REST problems', () => {
  const world = new World();
  let node: LocalNode;
  const admin = adminToken();

  before(async () => {
    await world.start();
    node = await world.node();
  });

  after(() => world.stop());

  it('an unknown path is 404 in the same form as every failure', async () => {
    for (const path of ['nope', '/', '/favicon.ico', '/../etc/passwd', 'user', 'disconnect/']) {
      expectProblem(await call(node, path, { token: admin }), 404, 'NOT_FOUND');
    }
  });

  /** A request of HTTP whose target is written out in full, as to a proxy, by somebody who cannot write. */
  async function absolute(origin: string, path: string): Promise<Answer> {
    const head = `GET ${origin}${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer ${admin}\r\n\r\n`;
    const answer = await rawHttp(node.port, Buffer.from(head), { timeoutMs: 5000, unfinished: false });
    if (answer === null) throw new Error('no answer');
    const { status, body } = answer;
    return { status, headers: new Headers([...answer.headers]), text: body, body: JSON.parse(body) };
  }

  it('an origin that is none before the path was a fault of the server, or got a page of HTML', async () => {
    for (const origin of ['http://x', 'http://a:99999', 'http://[::1', 'http://', 'HTTPS://%']) {
      expect((await absolute(origin, '/api/unified/ws/stats')).status, origin).to.equal(200);
      expect((await absolute(origin, '/api/unified/ws/audit?limit=1#?limit=2')).status, origin).to.equal(200);
      expectProblem(await absolute(origin, '/api/unified/ws/audit?limit=0'), 400, 'VALIDATION_ERROR');
      expectProblem(await absolute(origin, ''), 404, 'NOT_FOUND');
    }
  });

  it('a wrong method is 405 and tells the right ones, before anybody asks for a token', async () => {
    const post = await call(node, 'stats', { method: 'POST' });
    expectProblem(post, 405, 'METHOD_NOT_ALLOWED');
    expect(post.headers.get('allow')).to.equal('GET, HEAD');
    const get = await call(node, 'broadcast', { method: 'DELETE' });
    expectProblem(get, 405, 'METHOD_NOT_ALLOWED');
    expect(get.headers.get('allow')).to.equal('POST');
    const options = await call(node, 'broadcast', { method: 'OPTIONS' });
    expect(options.status).to.equal(204);
    expect(options.headers.get('allow')).to.equal('POST');
    expect(options.headers.get('access-control-allow-origin')).to.equal(null);
  });

  it('a plain GET where WebSockets open is told so', async () => {
    const answer = await call(node, '/api/unified/ws');
    expectProblem(answer, 426, 'METHOD_NOT_ALLOWED');
    expect(answer.headers.get('upgrade')).to.equal('websocket');
  });

  it('whoever asks for the end of the connection does not get it while the answer says something else of it', async () => {
    // Node.js takes any other word in this header for leave to keep the connection; the client waited 6 s for its end.
    const answer = await absolute('', '/api/unified/ws');
    expectProblem(answer, 426, 'METHOD_NOT_ALLOWED');
    expect(answer.headers.get('connection')).to.equal('Upgrade, close');
  });

  it('HEAD works where GET does, without a body', async () => {
    const answer = await call(node, 'info', { method: 'HEAD' });
    expect(answer.status).to.equal(200);
    expect(answer.text).to.equal('');
  });

  const headers = { 'content-type': 'application/json' };
  const malformed: Readonly<Record<string, string | Uint8Array<ArrayBuffer>>> = {
    'not JSON': '{"event_type": secret-word',
    'cut off': '{"data":',
    'two values': '{}{}',
    'no UTF-8': new Uint8Array([0x22, 0xff, 0xfe]),
  };
  for (const [name, text] of Object.entries(malformed)) {
    it(`a body that is ${name} is 400, and is not quoted`, async () => {
      const answer = await call(node, 'broadcast', { token: admin, text, headers });
      expectProblem(answer, 400, 'MESSAGE_ERROR');
      expect(answer.text).not.to.include('secret-word');
    });
  }

  it('a body of the wrong shape is 400 with the place of the fault', async () => {
    const post = (path: string, text: string) => call(node, path, { token: admin, text, headers });
    for (const text of ['[]', '"text"', '7', 'null', 'true']) {
      expectProblem(await post('broadcast', text), 400, 'VALIDATION_ERROR');
      expectProblem(await post('disconnect/u', text), 400, 'VALIDATION_ERROR');
    }
    const faults: readonly [string, string][] = [
      ['{"ban_seconds":0}', '/ban_seconds'],
      ['{"ban_seconds":1.5}', '/ban_seconds'],
      ['{"ban_seconds":"60"}', '/ban_seconds'],
      ['{"reason":7}', '/reason'],
      [`{"reason":"${'x'.repeat(101)}"}`, '/reason'],
      ['{"oops":1}', '/oops'],
      ['{"__proto__":{"reason":"x"}}', '/__proto__'],
      ['{"constructor":1}', '/constructor'],
    ];
    for (const [text, path] of faults) {
      const problem = expectProblem(await post('disconnect/u', text), 400, 'VALIDATION_ERROR');
      expect(
        problem.errors?.map((error) => error.path),
        text,
      ).to.deep.equal([path]);
    }
  });

  it('a body over 1 MiB is 413, and unread when its sender may not publish', async () => {
    const json = { event_type: 'zone_updated', data: { text: 'x'.repeat(1024 * 1024) } };
    expectProblem(await call(node, 'broadcast', { token: admin, json }), 413, 'MESSAGE_TOO_LARGE');
    expectProblem(await call(node, 'broadcast', { token: 'bad', json }), 401, 'AUTH_ERROR');
  });

  it('deep nesting does not end the node', async () => {
    const text = `${'['.repeat(200_000)}${']'.repeat(200_000)}`;
    expectProblem(await call(node, 'broadcast', { token: admin, text, headers }), 400, 'VALIDATION_ERROR');
    const data = `{"event_type":"zone_updated","data":{"a":${text}}}`;
    expectProblem(await call(node, 'broadcast', { token: admin, text: data, headers }), 400, 'VALIDATION_ERROR');
  });

  it('a form is 415, not an empty body', async () => {
    const form = {
      token: admin,
      text: 'ban_seconds=60',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    };
    expectProblem(await call(node, 'disconnect/u', form), 415, 'MESSAGE_ERROR');
    const charset = { token: admin, text: '{}', headers: { 'content-type': 'application/json; charset=klingon' } };
    expectProblem(await call(node, 'disconnect/u', charset), 415, 'MESSAGE_ERROR');
    const encoding = { token: admin, text: '{}', headers: { ...headers, 'content-encoding': 'unknown' } };
    expectProblem(await call(node, 'disconnect/u', encoding), 415, 'MESSAGE_ERROR');
  });

  it('a user id is 1 to 128 bytes of valid UTF-8', async () => {
    const cases: readonly [string, number][] = [
      ['%E0%A4%A', 400],
      ['%ED%A0%80', 400],
      ['x'.repeat(129), 400],
      ['%C3%A4'.repeat(65), 400],
      ['%C3%A4'.repeat(64), 404],
      ['x'.repeat(128), 404],
      ['__proto__', 404],
      ['a%2Fb%20c', 404],
    ];
    for (const [id, status] of cases) {
      const answer = await call(node, `user/${id}`, { token: admin });
      expectProblem(answer, status, status === 400 ? 'VALIDATION_ERROR' : 'NOT_FOUND');
    }
  });

  it('tells nothing of what it is made of in its headers, and is kept by no cache', async () => {
    const { headers: answered } = await call(node, 'info');
    expect(answered.get('x-powered-by')).to.equal(null);
    expect(answered.get('etag')).to.equal(null);
    expect(answered.get('cache-control')).to.equal('no-store');
    expect(answered.get('x-content-type-options')).to.equal('nosniff');
    expect(answered.get('content-security-policy')).to.be.a('string');
  });
});

describe('A fault of ours in a REST route', () => {
  const reports: { readonly error: unknown; readonly where: string }[] = [];
  const fault = new Error('uws:{u:secret}:conn at /app/node_modules/ioredis/x.js:1:1');
  const identity = { userId: 'a', roles: ['admin'], permissions: [], issuedAt: 0, sid: null };
  let app: StubApp;

  before(async () => {
    app = await StubApp.listen({
      verifier: { prove: () => ({ identity }), holds: () => true },
      store: { orders: async () => ({ revokedCode: 0, amendment: NO_AMENDMENT }) },
      reports: { stats: { read: () => Promise.reject(fault) } },
      report: (error: unknown, where: string) => void reports.push({ error, where }),
    });
  });

  after(() => app.close());

  it('is 500 without a word of the error, which is reported', async () => {
    const answer = await call(app, 'stats', { token: 'a' });
    expectProblem(answer, 500, 'UNEXPECTED_ERROR');
    expect(answer.text).not.to.include('secret');
    expect(reports).to.deep.equal([{ error: fault, where: 'rest.request' }]);
  });
});
