import { once } from 'node:events';
import { createServer, request as httpRequest } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { REST_BASE } from '@unified-ws/protocol';
import { readJson } from '@unified-ws/server/http/request/jsonBody';
import { expect } from 'chai';
import { type LocalNode, World } from '../../../node/support/world.js';
import { metricOf } from '../../../support/metrics.js';
import { rawHttp } from '../../../support/rawHttp.js';
import { token } from '../../../support/tokens.js';
import { until } from '../../../support/wait.js';

const EVENT = { event_type: 'health_update', data: { status: 'ok' } };
const TEXT = JSON.stringify(EVENT);
const JSON_TYPE = { 'Content-Type': 'application/json' };
const PLAIN_BYTES = 64 * 1024;

interface Sent {
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  /** Sent in one chunk, without a length. */
  readonly chunked?: true;
  readonly status: number;
}

/** An event whose JSON has exactly so many bytes. */
function ofBytes(bytes: number): string {
  const text = (pad: string): string => JSON.stringify({ ...EVENT, data: { pad } });
  return text('x'.repeat(bytes - text('').length));
}

/** What is read directly, and what only the parser of Express can read, in the same cases. */
const CASES: Readonly<Record<string, Sent>> = {
  plain: { headers: JSON_TYPE, body: TEXT, status: 202 },
  'with its charset': { headers: { 'Content-Type': 'Application/JSON;charset=UTF-8' }, body: TEXT, status: 202 },
  'of a derived type': { headers: { 'Content-Type': 'application/cloudevents+json' }, body: TEXT, status: 202 },
  'in UTF-16': {
    headers: { 'Content-Type': 'application/json; charset=utf-16le' },
    body: Buffer.from(TEXT, 'utf16le'),
    status: 202,
  },
  'in Latin 1': { headers: { 'Content-Type': 'application/json; charset=latin1' }, body: TEXT, status: 415 },
  'in no known charset': { headers: { 'Content-Type': 'application/json; charset=utf-99' }, body: TEXT, status: 415 },
  'with a byte order mark': { headers: JSON_TYPE, body: `\ufeff${TEXT}`, status: 202 },
  compressed: { headers: { ...JSON_TYPE, 'Content-Encoding': 'gzip' }, body: gzipSync(TEXT), status: 202 },
  'compressed with Brotli': {
    headers: { ...JSON_TYPE, 'Content-Encoding': 'br' },
    body: brotliCompressSync(TEXT),
    status: 202,
  },
  'falsely called compressed': { headers: { ...JSON_TYPE, 'Content-Encoding': 'gzip' }, body: TEXT, status: 400 },
  'in an unknown encoding': { headers: { ...JSON_TYPE, 'Content-Encoding': 'x' }, body: TEXT, status: 415 },
  chunked: { headers: JSON_TYPE, body: TEXT, chunked: true, status: 202 },
  'chunked and too large': { headers: JSON_TYPE, body: ofBytes(1_100_000), chunked: true, status: 413 },
  'asked for with 100-continue': { headers: { ...JSON_TYPE, Expect: '100-continue' }, body: TEXT, status: 202 },
  'as large as is read directly': { headers: JSON_TYPE, body: ofBytes(PLAIN_BYTES), status: 202 },
  'a byte larger': { headers: JSON_TYPE, body: ofBytes(PLAIN_BYTES + 1), status: 202 },
  'too large': { headers: JSON_TYPE, body: ofBytes(1_100_000), status: 413 },
  'a form': { headers: { 'Content-Type': 'application/x-www-form-urlencoded' }, body: 'a=b', status: 415 },
  'of no type': { headers: {}, body: TEXT, status: 415 },
  'of a type that is none': { headers: { 'Content-Type': 'application/json or so' }, body: TEXT, status: 415 },
  none: { headers: {}, body: '', status: 400 },
  'empty, and called JSON': { headers: JSON_TYPE, body: '', status: 400 },
  'not JSON': { headers: JSON_TYPE, body: '{"event_type":', status: 400 },
  blank: { headers: JSON_TYPE, body: '  ', status: 400 },
  'no UTF-8': { headers: JSON_TYPE, body: Buffer.from([0x22, 0xff, 0x22]), status: 400 },
  'with a number beyond JSON': {
    headers: JSON_TYPE,
    body: '{"event_type":"health_update","data":{"a":1e999}}',
    status: 400,
  },
  'with __proto__': { headers: JSON_TYPE, body: `{"__proto__":{"id":"x"},${TEXT.slice(1)}`, status: 400 },
  'nested beyond the stack': { headers: JSON_TYPE, body: `${'['.repeat(20_000)}${']'.repeat(20_000)}`, status: 400 },
};

// Seen red: without the byte order mark, the limit of what is read directly, or `readableEnded` (cut off).
describe('the body of a publish', () => {
  const world = new World();
  let node: LocalNode;
  const service = token('service-1', { roles: ['service'] });

  before(async () => {
    await world.start();
    node = await world.node();
  });
  after(() => world.stop());

  function bytesOf(path: string, { headers, body = '', chunked }: Sent): Buffer {
    const length = Buffer.byteLength(body);
    const all = {
      Host: 'x',
      Connection: 'close',
      Authorization: `Bearer ${service}`,
      ...headers,
      ...(chunked ? { 'Transfer-Encoding': 'chunked' } : { 'Content-Length': String(length) }),
    };
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
    const head = Buffer.from(`POST ${path} HTTP/1.1\r\n${lines.join('')}\r\n`);
    const framed = chunked ? [`${length.toString(16)}\r\n`, body, '\r\n0\r\n\r\n'] : [body];
    return Buffer.concat([head, ...framed.map((part) => Buffer.from(part))]);
  }

  /** The answer without what differs each time. */
  async function answerTo(path: string, sent: Sent): Promise<{ status: number; headers: object; body: string }> {
    const answer = await rawHttp(node.port, bytesOf(path, sent), { timeoutMs: 5000, unfinished: false });
    if (answer === null) throw new Error('no answer');
    const { date: _, ...headers } = Object.fromEntries(answer.headers);
    const body = answer.body.replace(/[\da-f]{8}-[\da-f-]{27}/, 'id').replace(/"[\d-]{10}T[\d:.]+Z"/, 'time');
    return { status: answer.status, headers, body };
  }

  for (const [name, sent] of Object.entries(CASES)) {
    it(`that is ${name} must be answered with ${sent.status}, whoever found the operation and read the body`, async () => {
      const path = `${REST_BASE}/broadcast`;
      const direct = await answerTo(path, sent);
      expect(direct.status, direct.body).to.equal(sent.status);
      // A query, and another spelling of the path, are for Express.
      for (const other of [`${path}?a=b`, `${path}/`, `http://x${path}`]) {
        expect(await answerTo(other, sent), other).to.deep.equal(direct);
      }
    });
  }

  it('must be understood when a character is cut in two on the way', async () => {
    const json = Buffer.from(JSON.stringify({ ...EVENT, data: { text: '€'.repeat(1000) } }));
    const middle = json.indexOf('€') + 1;
    const options = { port: node.port, method: 'POST', path: `${REST_BASE}/events` };
    const headers = { authorization: `Bearer ${service}`, ...JSON_TYPE, 'content-length': json.length };
    const client = await world.connect(node);
    const status = await new Promise((resolve, reject) => {
      const request = httpRequest({ ...options, headers }, (response) => resolve(response.resume().statusCode));
      request.once('error', reject);
      request.write(json.subarray(0, middle), () => request.end(json.subarray(middle)));
    });
    expect(status).to.equal(202);
    const { data } = await client.waitFor('health_update');
    expect(data.text).to.equal('€'.repeat(1000));
  });

  it('must not be waited for when its sender has gone, and the request is counted as a bad one', async () => {
    const name = `uws_rest_seconds_count{method="POST",route="${REST_BASE}/broadcast",status="400"}`;
    const count = (): Promise<number> => metricOf(node, name);
    const before = await count();
    const bytes = bytesOf(`${REST_BASE}/broadcast`, { headers: JSON_TYPE, body: TEXT, status: 400 });
    const socket = connect(node.port, '127.0.0.1');
    await new Promise((resolve) => socket.write(bytes.subarray(0, -5), resolve));
    // Callers are looked up in their order: when this one is answered, the body of the other is being read.
    await answerTo(`${REST_BASE}/broadcast`, { headers: JSON_TYPE, body: TEXT, status: 202 });
    socket.end();
    await until(async () => (await count()) === before + 1, { what: 'the request is counted' });
    socket.destroy();
  });

  it('must not be waited for when its sender has gone before it was to be read', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    socket.end(bytesOf('/', { headers: JSON_TYPE, body: TEXT, status: 400 }).subarray(0, -5));
    const [request, response] = (await once(server, 'request')) as Parameters<typeof readJson>;
    await new Promise((resolve) => request.once('close', resolve));
    const outcome = await readJson(request, response).catch((error: unknown) => error);
    server.close();
    expect(outcome).to.include({ status: 400, code: 'MESSAGE_ERROR' });
  });

  it('requests of one connection must be answered in their order, each with its own', async () => {
    const path = `${REST_BASE}/broadcast`;
    const keep = (body: string): Buffer =>
      Buffer.from(
        bytesOf(path, { headers: JSON_TYPE, body, status: 202 }).toString().replace('Connection: close\r\n', ''),
      );
    const last = bytesOf(`${path}?last`, { headers: JSON_TYPE, body: TEXT, status: 202 });
    const socket = connect(node.port, '127.0.0.1');
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.write(Buffer.concat([keep(TEXT), keep('{'), keep(TEXT), last]));
    await new Promise((resolve) => socket.once('close', resolve));
    const statuses = Buffer.concat(chunks)
      .toString()
      .match(/HTTP\/1\.1 \d+/g);
    expect(statuses).to.deep.equal(['202', '400', '202', '202'].map((status) => `HTTP/1.1 ${status}`));
  });
});
