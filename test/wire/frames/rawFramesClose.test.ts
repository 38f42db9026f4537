import { expect } from 'chai';
import { logOf, storedEvent } from '../../node/support/events.js';
import { OPCODE, type RawClient } from '../../support/rawClient.js';
import { token } from '../../support/tokens.js';
import { until } from '../../support/wait.js';
import { RawBench, wordsOf } from './support/rawBench.js';
import { ask, BOTH, chopped, close, fails, frame, ping, type RawCase, start, text } from './support/rawCase.js';

const CLOSE = 'RFC 6455 §5.5.1';
const CODES = 'RFC 6455 §7.4';
/** Echoed with its reason. */
const echoed = (code: number, reason = ''): string[] => [`close ${code}${reason === '' ? '' : ` ${reason}`}`, 'end'];

const cases: readonly RawCase[] = [
  {
    name: 'a close frame without a body is answered by one',
    rule: CLOSE,
    send: [close()],
    back: ['close empty', 'end'],
    phases: BOTH,
  },
  ...[1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999].map((code) => ({
    name: `the code ${code} is answered with itself`,
    rule: CODES,
    send: [close(code)],
    back: echoed(code),
    ...(code === 1000 ? { phases: BOTH } : {}),
  })),
  ...[0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535].map((code) => ({
    name: `the code ${code} is refused`,
    rule: CODES,
    send: [close(code)],
    back: fails(1002),
    ...(code === 1006 ? { phases: BOTH } : {}),
  })),
  {
    name: 'a close frame of one byte is refused',
    rule: CLOSE,
    send: [frame(OPCODE.CLOSE, 'x')],
    back: fails(1002),
    phases: BOTH,
  },
  {
    name: 'a reason of 123 bytes is answered with itself',
    rule: CLOSE,
    send: [close(1000, 'r'.repeat(123))],
    back: echoed(1000, 'r'.repeat(123)),
  },
  {
    name: 'a reason of 124 bytes is refused',
    rule: 'RFC 6455 §5.5',
    send: [close(1000, 'r'.repeat(124))],
    back: fails(1002),
  },
  {
    name: 'a reason of invalid UTF-8 is refused',
    rule: 'RFC 6455 §5.5.1, §8.1',
    send: [close(1000, Buffer.from([0xce, 0xba, 0xff]))],
    back: fails(1007),
    phases: BOTH,
  },
  {
    name: 'a close frame that comes byte by byte is answered',
    rule: CLOSE,
    send: chopped(close(1000, 'slowly')),
    back: echoed(1000, 'slowly'),
  },
  {
    name: 'a message after the close frame is not answered',
    rule: CLOSE,
    send: [Buffer.concat([close(1000), text(ask('1'))])],
    back: echoed(1000),
  },
  {
    name: 'a ping after the close frame is not answered',
    rule: CLOSE,
    send: [close(1000), ping('late')],
    back: echoed(1000),
  },
  {
    name: 'a broken frame after the close frame is no further fault',
    rule: CLOSE,
    send: [close(1000), frame(3)],
    back: echoed(1000),
  },
  {
    name: 'a second close frame is not answered',
    rule: CLOSE,
    send: [Buffer.concat([close(1000), close(1001)])],
    back: echoed(1000),
  },
  {
    name: 'messages before the close frame are answered',
    rule: 'RFC 6455 §7.1.2',
    send: [Buffer.concat([text(ask('1')), close(1000)])],
    back: ['1', ...echoed(1000)],
  },
  {
    name: 'TCP ended in good order without a close frame ends the connection',
    rule: 'RFC 6455 §7.1.5',
    send: ['fin'],
    back: ['end'],
    phases: BOTH,
  },
  {
    name: 'TCP ended within a frame ends the connection',
    rule: 'RFC 6455 §7.1.5',
    send: [text(ask('1')).subarray(0, 9), 'fin'],
    back: ['end'],
    phases: BOTH,
  },
  {
    name: 'TCP ended within a message in parts ends the connection',
    rule: 'RFC 6455 §7.1.5',
    send: [start('{'), 'fin'],
    back: ['end'],
  },
  {
    name: 'TCP ended right behind a message ends the connection',
    rule: 'RFC 6455 §7.1.5',
    send: [Buffer.concat([text(ask('1'))]), 'fin'],
    back: [['1', 'end'], ['end']],
  },
  {
    name: 'TCP ended behind the close frame is no fault',
    rule: 'RFC 6455 §7.1.1',
    send: [close(1000), 'fin'],
    back: echoed(1000),
  },
  { name: 'a reset ends the connection', rule: 'RFC 6455 §7.2.1', send: ['reset'], back: ['end'], phases: BOTH },
  {
    name: 'a reset within a frame ends the connection',
    rule: 'RFC 6455 §7.2.1',
    send: [text(ask('1')).subarray(0, 9), 'reset'],
    back: ['end'],
    phases: BOTH,
  },
  {
    name: 'a reset right behind the close frame ends the connection',
    rule: 'RFC 6455 §7.2.1',
    send: [close(1000), 'reset'],
    back: [['close 1000', 'end'], ['end']],
  },
  // Ended by the server after 2 s: these wait for it.
  {
    name: 'a peer that never answers the close of the server is ended',
    rule: 'RFC 6455 §7.1.1',
    send: [frame(OPCODE.BINARY)],
    back: fails(1003, 'text frames only'),
    answers: false,
  },
];

describe('raw frames: closing', function () {
  this.timeout(20_000);
  const bench = new RawBench();
  before(() => bench.start());
  afterEach(() => bench.world.endRaw());
  after(() => bench.stop());

  bench.all(cases);

  /** Keeps its half of TCP open whatever the server does. */
  async function halfOpen(user: string): Promise<RawClient> {
    const client = await bench.world.raw(bench.node, { token: token(user), allowHalfOpen: true });
    await client.waitFor('connection_established');
    return client;
  }

  const isRegistered = async (user: string): Promise<boolean> =>
    (await bench.world.entry(bench.world.redis.client(), user)).conn !== '';

  const ways: readonly (readonly [bytes: Buffer, code: number])[] = [
    [close(1000), 1000],
    [frame(3), 1002],
    [text('', { length: 1_000_000 }), 1009],
  ];

  // Seen to fail while the node learned of the close with the end of TCP.
  it('a peer that closes, or breaks the framing, and keeps TCP open must not count as connected for 30 s (RFC 6455 §7.1.1)', async () => {
    const lingering = await Promise.all(
      ways.map(async ([bytes, code]) => {
        const user = bench.world.user('lingering');
        return { user, bytes, code, client: await halfOpen(user) };
      }),
    );
    for (const { client, bytes } of lingering) client.socket.write(bytes);
    for (const { client, code, user } of lingering) {
      await until(() => client.closeCode === code && client.finished, { what: `${code} and the end` });
      await until(async () => !(await isRegistered(user)), { what: 'the claim is released', timeoutMs: 1000 });
    }
    expect(await bench.metric('uws_connections{status="connected"}')).to.equal(1);
    await bench.servesOn();
    await until(async () => (await bench.metric('uws_connections{')) === 1, {
      what: 'the sockets are gone',
      everyMs: 50,
    });
    for (const { client } of lingering) {
      expect(wordsOf(client), 'nothing after the close frame').to.have.length(1);
      // Nobody reads there any more: what is still sent is answered with a reset.
      const isReset = (): boolean => {
        client.socket.write('x');
        return client.ended;
      };
      await until(isReset, { what: 'the end of TCP' });
    }
  });

  // Seen to fail while the node learned of the close with the end of TCP: replies came behind the close frame.
  it('a reply must not come behind the close frame, which a peer who does not read leaves waiting (RFC 6455 §5.5.1)', async () => {
    const client = await halfOpen(bench.world.user('hasty'));
    client.socket.pause();
    const padding = 'x'.repeat(100_000);
    const isCongested = async () => (await bench.metric('uws_connections{status="recovering"}')) === 1;
    for (let n = 0; n < 500 && !(await isCongested()); n += 1) {
      await logOf(bench.world.redis).append(Array.from({ length: 5 }, () => storedEvent({ padding })));
    }
    const slow = JSON.stringify({ type: 'subscribe_events', data: { event_types: ['zone_imported'] }, id: 'slow' });
    client.socket.write(Buffer.concat([text(slow), close(1000)]));
    await bench.servesOn();
    client.socket.resume();
    await until(() => client.finished, { what: 'the end' });
    expect(wordsOf(client)).to.deep.equal(['close 1000']);
  });
});
