import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { REST_BASE, WS_PATH } from '@unified-ws/protocol';
import { expect } from 'chai';
import { RawClient, upgradeRequest } from '../../support/rawClient.js';
import { adminToken, token } from '../../support/tokens.js';
import { until } from '../../support/wait.js';
import { answered, RawBench } from './support/rawBench.js';
import { ask, frame, ping, text } from './support/rawCase.js';

const HANDSHAKE = 'RFC 6455 §4.2.1';

/** One line: how the request differs from a good one, and how it must be answered. */
interface Handshake {
  readonly name: string;
  readonly rule: string;
  readonly request: string;
  readonly status: number;
  /** Must be in the head of the answer; or, after `not`, must not. */
  readonly head?: RegExp;
  readonly not?: RegExp;
}

const good = upgradeRequest({ token: token('shaking-hands') });
const without = (name: string): string => good.replace(new RegExp(`${name}: .*\r\n`), '');
const instead = (name: string, value: string): string =>
  good.replace(new RegExp(`(${name}: ).*\r\n`), `$1${value}\r\n`);
const also = (...lines: string[]): string => good.replace('\r\n\r\n', `\r\n${lines.join('\r\n')}\r\n\r\n`);
const protocols = (list: string): string => also(`Sec-WebSocket-Protocol: ${list}`);
const offer = (list: string): string => also(`Sec-WebSocket-Extensions: ${list}`);

const WANTS_WEBSOCKET = /^Upgrade: websocket$/im;
const VERSIONS = /^Sec-WebSocket-Version: 13$/im;

const refused: readonly Handshake[] = [
  { name: 'no key', rule: HANDSHAKE, request: without('Sec-WebSocket-Key'), status: 400 },
  { name: 'an empty key', rule: HANDSHAKE, request: instead('Sec-WebSocket-Key', ''), status: 400 },
  {
    name: 'a key of 15 bytes',
    rule: HANDSHAKE,
    request: instead('Sec-WebSocket-Key', 'AAAAAAAAAAAAAAAAAAAA'),
    status: 400,
  },
  {
    name: 'a key that is no base64',
    rule: HANDSHAKE,
    request: instead('Sec-WebSocket-Key', '!!!!!!!!!!!!!!!!!!!!!!=='),
    status: 400,
  },
  {
    name: 'two keys',
    rule: 'RFC 6455 §11.3.1',
    request: also('Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=='),
    status: 400,
  },
  ...['0', '7', '8', '14', 'abc', ''].map((version) => ({
    name: `version '${version}'`,
    rule: 'RFC 6455 §4.2.2, §4.4',
    request: instead('Sec-WebSocket-Version', version),
    status: 426,
    head: VERSIONS,
  })),
  { name: 'no version', rule: 'RFC 6455 §4.4', request: without('Sec-WebSocket-Version'), status: 426, head: VERSIONS },
  {
    name: 'two versions',
    rule: 'RFC 6455 §11.3.5',
    request: also('Sec-WebSocket-Version: 13'),
    status: 426,
    head: VERSIONS,
  },
  { name: 'POST', rule: HANDSHAKE, request: good.replace('GET', 'POST'), status: 405, head: /^Allow: GET$/im },
  { name: 'no Host', rule: HANDSHAKE, request: without('Host'), status: 400 },
  { name: 'no Upgrade', rule: HANDSHAKE, request: without('Upgrade'), status: 426, head: WANTS_WEBSOCKET },
  { name: 'no Connection', rule: HANDSHAKE, request: without('Connection'), status: 426, head: WANTS_WEBSOCKET },
  {
    name: 'a Connection that names no upgrade',
    rule: HANDSHAKE,
    request: instead('Connection', 'keep-alive'),
    status: 426,
    head: WANTS_WEBSOCKET,
  },
  {
    name: 'an upgrade to h2c alone',
    rule: 'RFC 9110 §7.8',
    request: instead('Upgrade', 'h2c'),
    status: 426,
    head: WANTS_WEBSOCKET,
  },
  {
    name: 'HTTP/1.0, whose Upgrade is to be ignored',
    rule: 'RFC 9110 §7.8',
    request: good.replace('HTTP/1.1', 'HTTP/1.0'),
    status: 426,
    head: WANTS_WEBSOCKET,
  },
  { name: 'an empty list of subprotocols', rule: 'RFC 6455 §4.1', request: protocols(''), status: 400 },
  { name: 'a subprotocol twice', rule: 'RFC 6455 §4.1', request: protocols('unified.v1, unified.v1'), status: 400 },
  { name: 'a subprotocol with a space', rule: 'RFC 6455 §4.1', request: protocols('unified v1'), status: 400 },
  { name: 'a subprotocol in quotes', rule: 'RFC 6455 §4.1', request: protocols('"unified.v1"'), status: 400 },
  { name: 'a body', rule: 'RFC 9110 §9.3.1', request: `${also('Content-Length: 4')}abcd`, status: 400 },
  {
    name: 'a body in chunks',
    rule: 'RFC 9110 §9.3.1',
    request: `${also('Transfer-Encoding: chunked')}0\r\n\r\n`,
    status: 400,
  },
  { name: 'another path', rule: HANDSHAKE, request: good.replace(WS_PATH, '/elsewhere'), status: 404 },
  { name: 'a header of 20 kB', rule: 'RFC 9110 §5.4', request: also(`X-Long: ${'x'.repeat(20_000)}`), status: 431 },
  {
    name: '1,000 headers',
    rule: 'RFC 9110 §5.4',
    request: also(...Array.from({ length: 1000 }, (_, n) => `X-${n}: ${'x'.repeat(20)}`)),
    status: 431,
  },
  {
    name: 'a path of 20 kB',
    rule: 'RFC 9110 §4.1',
    request: good.replace(WS_PATH, `${WS_PATH}?x=${'x'.repeat(20_000)}`),
    status: 431,
  },
];

const EXTENSIONS = 'RFC 7692 §7.1';
const NO_EXTENSION = /sec-websocket-extensions/i;
const NO_PROTOCOL = /sec-websocket-protocol/i;
const DEFLATE =
  /^Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover$/im;

const accepted: readonly Omit<Handshake, 'status'>[] = [
  {
    name: 'names in any case',
    rule: HANDSHAKE,
    request: good
      .replace('Upgrade: websocket', 'uPGRADE: WebSocket')
      .replace('Connection: Upgrade', 'CONNECTION: uPgRaDe'),
  },
  { name: 'a Connection that names more', rule: HANDSHAKE, request: instead('Connection', 'keep-alive, Upgrade') },
  { name: 'an Upgrade that names more', rule: HANDSHAKE, request: instead('Upgrade', 'h2c, websocket') },
  {
    name: 'an absolute URI',
    rule: HANDSHAKE,
    request: good.replace(WS_PATH, `http://127.0.0.1${WS_PATH}`),
  },
  { name: 'an empty body', rule: HANDSHAKE, request: also('Content-Length: 0') },
  {
    name: 'our subprotocol',
    rule: 'RFC 6455 §4.2.2',
    request: protocols('unified.v1'),
    head: /^Sec-WebSocket-Protocol: unified\.v1$/im,
  },
  {
    name: 'our subprotocol among others',
    rule: 'RFC 6455 §4.2.2',
    request: protocols('chat, unified.v1, bearer.x'),
    head: /^Sec-WebSocket-Protocol: unified\.v1$/im,
  },
  {
    name: 'our subprotocol in the second of two headers',
    rule: 'RFC 6455 §11.3.4',
    request: also('Sec-WebSocket-Protocol: chat', 'Sec-WebSocket-Protocol: unified.v1'),
    head: /^Sec-WebSocket-Protocol: unified\.v1$/im,
  },
  {
    name: 'other subprotocols alone',
    rule: 'RFC 6455 §4.2.2',
    request: protocols('chat, superchat'),
    not: NO_PROTOCOL,
  },
  { name: 'no offer', rule: EXTENSIONS, request: good, not: NO_EXTENSION },
  { name: 'an unknown extension', rule: 'RFC 6455 §9.1', request: offer('x-webkit-deflate-frame'), not: NO_EXTENSION },
  { name: 'permessage-deflate', rule: EXTENSIONS, request: offer('permessage-deflate'), head: DEFLATE },
  {
    name: 'permessage-deflate behind an unknown extension',
    rule: 'RFC 6455 §9.1',
    request: offer('foo; a=1, permessage-deflate'),
    head: DEFLATE,
  },
  {
    name: 'permessage-deflate with a hint of its window',
    rule: 'RFC 7692 §7.1.2.2',
    request: offer('permessage-deflate; client_max_window_bits'),
    head: DEFLATE,
  },
  ...[
    'permessage-deflate; unknown',
    'permessage-deflate; client_max_window_bits=7',
    'permessage-deflate; client_max_window_bits=16',
    'permessage-deflate; client_max_window_bits=abc',
    'permessage-deflate; server_max_window_bits',
    'permessage-deflate; server_max_window_bits=08',
    'permessage-deflate; server_no_context_takeover=1',
    'permessage-deflate; client_no_context_takeover; client_no_context_takeover',
    'permessage-deflate; server_max_window_bits=10; server_max_window_bits=10',
    'permessage-deflate; ;',
    ';;;,,,===',
    '"permessage-deflate',
  ].map((list) => ({
    name: `the offer ${list} is declined`,
    rule: 'RFC 7692 §7',
    request: offer(list),
    not: NO_EXTENSION,
  })),
  {
    name: 'a declined offer before a good one',
    rule: 'RFC 7692 §5.1',
    request: offer('permessage-deflate; server_max_window_bits=8, permessage-deflate'),
    head: DEFLATE,
  },
  {
    name: 'offers in two headers',
    rule: 'RFC 6455 §9.1',
    request: also('Sec-WebSocket-Extensions: foo', 'Sec-WebSocket-Extensions: permessage-deflate'),
    head: DEFLATE,
  },
];

describe('raw frames: handshake', function () {
  this.timeout(20_000);
  const bench = new RawBench();
  const opened: RawClient[] = [];
  before(() => bench.start({ AUTH_TIMEOUT_MS: '2000' }));
  afterEach(() => {
    for (const client of opened.splice(0)) client.destroy();
  });
  after(() => bench.stop());

  async function send(...pieces: (string | Buffer)[]): Promise<RawClient> {
    const client = await answered(bench.node.port, pieces);
    opened.push(client);
    return client;
  }

  /** The answer's Sec-WebSocket-Accept proves that the key was read (RFC 6455 §4.2.2). */
  function expectAccepted(client: RawClient, request: string): void {
    const key = /^Sec-WebSocket-Key: (.*)\r$/im.exec(request)?.[1] ?? '';
    const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
    expect(client.status, client.head).to.equal(101);
    expect(client.head)
      .to.match(/^Upgrade: websocket$/im)
      .and.match(/^Connection: Upgrade$/im);
    expect(/^Sec-WebSocket-Accept: (.*)$/im.exec(client.head)?.[1]?.trim()).to.equal(accept);
  }

  for (const { name, rule, request, status, head } of refused) {
    it(`an upgrade with ${name} is answered ${status} (${rule})`, async () => {
      const client = await send(request);
      expect(client.status, client.head).to.equal(status);
      if (head) expect(client.head.replaceAll('\r', '')).to.match(head);
      if (status !== 431) expect(client.head).to.match(/^content-type: application\/problem\+json/im);
      expect(client.frames).to.deep.equal([]);
      await bench.servesOn();
    });
  }

  for (const { name, rule, request, head, not } of accepted) {
    it(`an upgrade with ${name} is accepted (${rule})`, async () => {
      const client = await send(request);
      client.head = client.head.replaceAll('\r', '');
      expectAccepted(client, request);
      if (head) expect(client.head).to.match(head);
      if (not) expect(client.head).to.not.match(not);
      await client.waitFor('connection_established');
      await bench.servesOn();
    });
  }

  it('each byte of an upgrade as a segment of its own is an upgrade (RFC 9112 §2.2)', async () => {
    const client = await send(...Array.from(good, (char) => char));
    expectAccepted(client, good);
    await client.waitFor('connection_established');
  });

  it('frames in the segment of the upgrade are answered after connection_established (RFC 6455 §4.1)', async () => {
    const request = upgradeRequest({ token: token('in-a-hurry') });
    const client = await send(Buffer.concat([Buffer.from(request), ping('early'), text(ask('1')), text(ask('2'))]));
    await until(() => client.messages.length === 3, { what: 'connection_established and two answers' });
    expect(client.messages.map(({ reply_to, type }) => reply_to ?? type)).to.deep.equal([
      'connection_established',
      '1',
      '2',
    ]);
    expect(client.frames[0]?.payload.toString(), 'the pong waits for nothing').to.equal('early');
  });

  it('authenticate in the segment of the upgrade is connection_established, and what follows it waits (RFC 6455 §4.1)', async () => {
    const establishedData = JSON.stringify({ type: 'authenticate', id: 'a', data: { token: token('in-a-hurry-too') } });
    const client = await send(Buffer.concat([Buffer.from(upgradeRequest()), text(establishedData), text(ask('1'))]));
    await until(() => client.messages.length === 2, { what: 'connection_established and an answer' });
    expect(client.messages.map(({ reply_to }) => reply_to)).to.deep.equal(['a', '1']);
  });

  it('a broken frame in the segment of the upgrade fails the connection (RFC 6455 §5.2)', async () => {
    const client = await send(Buffer.concat([Buffer.from(good), frame(3)]));
    expect(await client.closed()).to.equal(1002);
    await bench.servesOn();
  });

  it('TCP ended in the segment of the upgrade ends it (RFC 6455 §4.2.2)', async () => {
    const client = new RawClient(bench.node.port);
    opened.push(client);
    await once(client.socket, 'connect');
    client.socket.end(good);
    await client.gone();
    await bench.servesOn();
  });

  it('a peer that resets while its upgrade is answered must not end the node', async () => {
    for (const request of [good, instead('Sec-WebSocket-Version', '1'), good.replace(WS_PATH, '/elsewhere')]) {
      const client = new RawClient(bench.node.port);
      opened.push(client);
      await once(client.socket, 'connect');
      client.socket.write(request);
      client.socket.resetAndDestroy();
    }
    await bench.servesOn();
  });

  it('an offer of h2c must not turn a request away: Java sends one with each (RFC 9110 §7.8)', async () => {
    const h2c =
      'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n';
    const probe = await send(`GET /livez HTTP/1.1\r\nHost: x\r\n${h2c}\r\n`);
    expect(probe.status).to.equal(200);
    const body = JSON.stringify({ event_type: 'custom_event', data: {} });
    const headers = `Host: x\r\nAuthorization: Bearer ${adminToken()}\r\nContent-Type: application/json\r\n`;
    const post = `POST ${REST_BASE}/broadcast HTTP/1.1\r\n${headers}${h2c}Content-Length: ${body.length}\r\n\r\n${body}`;
    expect((await send(post)).status, 'in one segment').to.equal(202);
    expect((await send(post.slice(0, -10), post.slice(-10))).status, 'in two').to.equal(202);
  });

  // Seen to leave the second without an answer, and the socket open for ever.
  it('a request behind one that is not answered yet must not hold its socket by an offer', async () => {
    const h2c = 'GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n';
    const plain = 'GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n';
    for (const requests of [h2c + h2c, plain + h2c, plain + good]) {
      const client = await send(requests);
      await client.gone();
    }
    await bench.servesOn();
  });

  it('an upgrade that never ends must not hold its socket longer than one that never authenticates (RFC 6455 §10)', async () => {
    const slow = new RawClient(bench.node.port);
    const silent = new RawClient(bench.node.port);
    opened.push(slow, silent);
    await once(slow.socket, 'connect');
    const bytes = [...good.slice(0, -2)];
    // A byte now and then keeps nothing alive.
    const drip = setInterval(() => slow.socket.write(bytes.shift() ?? ''), 100);
    try {
      await Promise.all([slow.gone(6000), silent.gone(6000)]);
    } finally {
      clearInterval(drip);
    }
    expect([408, null]).to.include(slow.status);
    await bench.servesOn();
  });
});
