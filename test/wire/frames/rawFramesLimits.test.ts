import { once } from 'node:events';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { constants, deflateRawSync } from 'node:zlib';
import { REST_BASE } from '@unified-ws/protocol';
import { expect } from 'chai';
import { type Memory, NodeMemory } from '../../node/support/nodeMemory.js';
import { World } from '../../node/support/world.js';
import { OPCODE, RawClient } from '../../support/rawClient.js';
import { TEST_SECRET, token } from '../../support/tokens.js';
import { until } from '../../support/wait.js';
import { RawBench, wordsOf } from './support/rawBench.js';
import { ask, BOTH, fails, frame, last, more, ON, ping, pong, type RawCase, start, text } from './support/rawCase.js';

const RULE = 'RFC 6455 §10.4, PROTOCOL "Close codes"';
const RSV1 = 4;
const DEFLATE = { 'Sec-WebSocket-Extensions': 'permessage-deflate' };
/** MESSAGE_BURST. Control frames count as messages: they cost as much, and pongs wait for who does not read. */
const BURST = 200;
const MAX_PAYLOAD = 65_536;

const times = (count: number, make: (n: number) => Buffer): Buffer =>
  Buffer.concat(Array.from({ length: count }, (_, n) => make(n)));
const violation = fails(4009, 'protocol violation');
const packed = deflateRawSync(ask('1'), { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);

const cases: readonly RawCase[] = [
  // Seen to end without a close frame at the 61st, which is where ws stops to wait for its pongs.
  {
    name: 'as many pings as messages are allowed, in one segment, are each answered',
    rule: 'RFC 6455 §5.5.3',
    send: [times(BURST - 1, (n) => ping(`${n}`))],
    back: [...Array.from({ length: BURST - 1 }, (_, n) => `pong ${n}`), ...ON],
  },
  // Seen to go on for ever, at several times the cost of the peer.
  {
    name: 'pongs without end are no sign of life but a flood',
    rule: RULE,
    send: [times(5000, () => pong('x'.repeat(125)))],
    back: fails(4204, 'rate limit'),
  },
  {
    name: 'a message of 1,000 fragments is read',
    rule: 'RFC 6455 §5.4',
    send: [start(''), times(1000, () => more('')), last(ask('1'))],
    back: ['1', ...ON],
  },
  {
    name: 'a message of 64 KiB in fragments of one byte is refused',
    rule: RULE,
    send: [start('x'), times(MAX_PAYLOAD, () => more('x'))],
    back: violation,
    phases: BOTH,
  },
  {
    name: 'a message of empty fragments without end is refused',
    rule: RULE,
    send: [start(''), times(20_000, () => more(''))],
    back: violation,
  },
  {
    name: 'a compressed message in fragments of one byte without end is refused',
    rule: RULE,
    send: [text(packed.subarray(0, 1), { rsv: RSV1, fin: false }), times(20_000, () => more(Buffer.from([0])))],
    back: [violation, fails(1007)],
    headers: DEFLATE,
  },
];

describe('raw frames: limits', function () {
  this.timeout(20_000);
  const bench = new RawBench();
  before(() => bench.start({ MESSAGE_BURST: String(BURST), MESSAGE_RATE: '100', MAX_PAYLOAD: String(MAX_PAYLOAD) }));
  afterEach(() => bench.world.endRaw());
  after(() => bench.stop());

  bench.all(cases);

  it(`pings without end must end the connection, and not before it was told by pongs (${RULE})`, async () => {
    const client = await bench.connect('open');
    // A few at a time, and the next when these are answered or refused: what is under way when the server ends the connection makes TCP
    // drop the close frame.
    const pongs = (): number => wordsOf(client).filter((word) => word === 'pong x').length;
    const hasEnded = (): boolean => client.closeCode !== null || client.ended;
    for (let sent = 0; sent < 5000 && !hasEnded(); sent += BURST / 10) {
      const answered = pongs() + BURST / 10;
      client.socket.write(times(BURST / 10, () => ping('x')));
      for (let waited = 0; waited < 20 && pongs() < answered && !hasEnded(); waited += 1) await sleep(1);
    }
    expect(await client.closed()).to.equal(4204);
    expect(pongs()).to.be.within(BURST, 3 * BURST);
    await bench.servesOn();
  });

  // Each segment of an unfinished frame is kept as an object of its own. Seen to be kept to the last of them.
  it(`a frame of 64 KiB whose bytes come one by one must not cost a hundred times that (${RULE})`, async () => {
    const client = await bench.connect('unauthenticated');
    client.socket.setNoDelay();
    client.socket.write(text('', { length: MAX_PAYLOAD }));
    for (let n = 0; n < MAX_PAYLOAD && client.closeCode === null && !client.ended; n += 1) {
      client.socket.write('x');
      await turn();
    }
    expect(await client.closed()).to.equal(4009);
    await bench.servesOn();
  });
});

describe('raw frames: memory', function () {
  this.timeout(40_000);
  const world = new World();
  let node: NodeMemory;
  const clients: RawClient[] = [];

  before(async () => {
    await world.start();
    node = await NodeMemory.start({
      REDIS_URL: world.redis.url,
      JWT_SECRET: TEST_SECRET,
      EVENT_QUEUE_PARTITIONS: '1',
      MAX_PAYLOAD: String(MAX_PAYLOAD),
    });
  });
  afterEach(() => {
    for (const client of clients.splice(0)) client.destroy();
  });
  after(async () => {
    await world.endClients();
    await node.stop();
    await world.stop();
  });

  async function open(count: number, headers: Readonly<Record<string, string>> = {}): Promise<RawClient[]> {
    const opened = await Promise.all(Array.from({ length: count }, () => RawClient.open(node.port, { headers })));
    clients.push(...opened);
    return opened;
  }

  /** By how much the node holds more, while the attackers are there if they still are. */
  async function grownBy(attack: () => Promise<void>): Promise<Memory> {
    const bystander = await world.connect(node, 'bystander');
    const before = await node.memory();
    await attack();
    expect((await bystander.request('ping')).type).to.equal('pong');
    const after = await node.memory();
    await bystander.close();
    return {
      heapUsed: after.heapUsed - before.heapUsed,
      rss: after.rss - before.rss,
      arrayBuffers: after.arrayBuffers - before.arrayBuffers,
    };
  }

  // A fragment is a view of the segment that it came in, which lives as long as the fragment. Seen to keep 60 MB per connection.
  it('fragments of a byte between control frames must not keep all that came with them, far beyond MAX_PAYLOAD', async () => {
    const filler = times(450, () => pong('x'.repeat(125)));
    const attackers = await open(4);
    const grown = await grownBy(async () => {
      for (const one of attackers) one.socket.write(start('x'));
      for (let n = 0; n < 500; n += 1) {
        for (const one of attackers) if (!one.ended) one.socket.write(Buffer.concat([more('x'), filler]));
        await turn();
      }
      await until(() => attackers.every(({ socket, ended }) => ended || socket.writableLength === 0), {
        what: 'all is sent',
      });
    });
    expect(grown.arrayBuffers).to.be.below(10_000_000);
  });

  // Seen to keep 45 MB of each for 10 s and more.
  it('small requests whose large answers nobody reads must not be answered by the thousand', async () => {
    const request = `GET ${REST_BASE}/info HTTP/1.1\r\nHost: x\r\n\r\n`;
    const grown = await grownBy(async () => {
      for (let n = 0; n < 4; n += 1) {
        const client = new RawClient(node.port);
        clients.push(client);
        await once(client.socket, 'connect');
        client.socket.pause();
        client.socket.write(request.repeat(1200));
      }
      // The other connections are served after those.
      await until(async () => (await fetch(`${node.http}/livez`)).ok, { what: 'an answer' });
    });
    expect(grown.arrayBuffers).to.be.below(20_000_000);
  });

  it('a few requests that do not wait for their answers must be answered, in order', async () => {
    const paths = Array.from({ length: 10 }, (_, n) => (n % 2 === 0 ? '/livez' : '/nothing'));
    const client = new RawClient(node.port);
    clients.push(client);
    let answers = '';
    client.socket.on('data', (chunk: Buffer) => {
      answers += String(chunk);
    });
    await once(client.socket, 'connect');
    client.socket.write(paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`).join(''));
    const statuses = () => [...answers.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status);
    await until(() => statuses().length === 10, { what: 'ten answers' });
    expect(statuses()).to.deep.equal(paths.map((path) => (path === '/livez' ? '200' : '404')));
  });

  it('twenty messages of 50 MB in 50 kB each must not be inflated beyond MAX_PAYLOAD', async () => {
    const bomb = text(deflateRawSync(' '.repeat(50_000_000), { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4), {
      rsv: RSV1,
    });
    const attackers = await open(20, DEFLATE);
    const grown = await grownBy(async () => {
      for (const one of attackers) one.socket.write(bomb);
      for (const one of attackers) expect(await one.closed()).to.equal(1009);
    });
    expect(grown.rss).to.be.below(40_000_000);
  });

  it('a length that is only declared must not be made room for', async () => {
    const attackers = await open(200);
    const grown = await grownBy(async () => {
      for (const one of attackers) one.socket.write(text('', { length: MAX_PAYLOAD }));
      const reader = await RawClient.open(node.port, { token: token('reader') });
      clients.push(reader);
      await reader.waitFor('connection_established');
      reader.socket.write(frame(OPCODE.PING));
    });
    expect(grown.rss).to.be.below(20_000_000);
  });
});
