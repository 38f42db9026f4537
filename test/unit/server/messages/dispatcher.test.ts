import { CLOSE } from '@unified-ws/protocol';
import type { Connection } from '@unified-ws/server/connections/lifecycle/connection';
import { messageFrame } from '@unified-ws/server/delivery/frames/frame';
import { Dispatcher, type Handlers } from '@unified-ws/server/messages/dispatcher';
import { AppError } from '@unified-ws/server/util/appError';
import { systemClock } from '@unified-ws/server/util/clock';
import { expect } from 'chai';

interface Sent {
  readonly type: string;
  readonly data: Record<string, unknown>;
  readonly reply_to?: string;
}

/** What a real connection does with a reply, without its socket. */
class Peer {
  readonly sent: Sent[] = [];
  readonly clearance = { permissions: new Set(['events:publish']) };
  consecutiveErrors = 0;
  endedWith: number | null = null;

  errorSent(): void {
    // Counted by a real connection.
  }

  succeeded(): void {
    this.consecutiveErrors = 0;
  }

  failed(): number {
    this.consecutiveErrors += 1;
    return this.consecutiveErrors;
  }

  isOpen(): boolean {
    return this.endedWith === null;
  }

  send(type: string, data: unknown, replyTo?: string): void {
    const frame = messageFrame(type, data, '2026-01-01T00:00:00.000Z', replyTo);
    this.sent.push(JSON.parse(frame.subarray(frame[1] === 126 ? 4 : 2).toString()) as Sent);
  }

  end(code: number): void {
    this.endedWith = code;
  }
}

const SECRET = 'uws:{u:someone}:conn';

function world(handlers: Partial<Record<keyof Handlers, () => unknown>>) {
  const reported: unknown[] = [];
  const dispatcher = new Dispatcher({
    handlers: handlers as unknown as Handlers,
    clock: systemClock,
    report: (error) => reported.push(error),
    maxConsecutiveErrors: 5,
    onMessage: () => undefined,
    onError: () => undefined,
    onRefused: () => undefined,
  });
  const peer = new Peer();
  const ask = async (type: string, id: string, data?: unknown): Promise<void> => {
    await dispatcher.handle(peer as unknown as Connection, Buffer.from(JSON.stringify({ type, id, data })));
  };
  const isAnswered = async (id: string): Promise<Sent> => {
    for (let turn = 0; turn < 100; turn += 1) {
      const found = peer.sent.find((one) => one.reply_to === id);
      if (found) return found;
      await new Promise((resolve) => setImmediate(resolve));
    }
    throw new Error(`${id} was never answered`);
  };
  return { peer, ask, isAnswered, reported };
}

describe('a message whose work fails', () => {
  const event = { event_type: 'custom_event', data: {} };
  const unwritable = { at: 1n };

  // Seen red without `answer`: the second and third were never answered, and no later publish of that connection either.
  it('because its reply cannot be written must be answered, and must not silence the connection (F3)', async () => {
    let good = false;
    const { peer, ask, isAnswered, reported } = world({
      ping: () => (good ? { ok: true } : unwritable),
      subscribe_events: () => Promise.resolve(good ? { ok: true } : unwritable),
      publish_event: () => Promise.resolve(good ? { ok: true } : unwritable),
    });
    const types = { event_types: ['zone_created'] };
    for (const round of ['bad', 'good']) {
      good = round === 'good';
      const asked = [
        ask('ping', `${round}-1`),
        ask('subscribe_events', `${round}-2`, types),
        ask('publish_event', `${round}-3`, event),
        ask('publish_event', `${round}-4`, event),
      ];
      const answers = await Promise.all([1, 2, 3, 4].map((n) => isAnswered(`${round}-${n}`)));
      await Promise.all(asked);
      if (good) expect(answers.map(({ data }) => data)).to.deep.equal(Array(4).fill({ ok: true }));
      else expect(answers.map(({ data }) => data.error_code)).to.deep.equal(Array(4).fill('MESSAGE_HANDLER_ERROR'));
    }
    expect(reported).to.have.length(4);
    expect(peer.endedWith).to.equal(null);
  });

  it('must not tell the text of the fault, which names what clients must not know (F22), nor count against the client', async () => {
    const fault = (): never => {
      throw new Error(`READONLY ${SECRET} at /srv/node.js:1:2`);
    };
    const { peer, ask, isAnswered, reported } = world({ ping: fault, subscribe_events: () => Promise.reject(fault) });
    for (let n = 0; n < 10; n += 1) {
      await ask('ping', `p${n}`);
      await ask('subscribe_events', `s${n}`, { event_types: ['zone_created'] });
      for (const { type, data } of [await isAnswered(`p${n}`), await isAnswered(`s${n}`)]) {
        const { timestamp, ...rest } = data;
        expect(type).to.equal('error');
        expect(timestamp).to.be.a('string');
        expect(rest).to.deep.equal({
          message: 'The message could not be processed.',
          error_code: 'MESSAGE_HANDLER_ERROR',
          recoverable: true,
        });
      }
    }
    expect(reported).to.have.length(20);
    expect([peer.endedWith, peer.consecutiveErrors]).to.deep.equal([null, 0]);
  });
});

describe('bad messages in a row (F7)', () => {
  // Seen red with the count begun anew before a message is worked on, and with faults of the server counted.
  it('must end the connection at the fifth, of whatever kind, found at once or late; faults of the server aside', async () => {
    let fault: AppError | null = null;
    const late = async (): Promise<object> => {
      await new Promise((resolve) => setImmediate(resolve));
      if (fault) throw fault;
      return {};
    };
    const { peer, ask, isAnswered } = world({ ping: () => ({}), subscribe_events: late, publish_event: late });
    const types = { event_types: ['zone_created'] };
    const event = { event_type: 'custom_event', data: {} };
    let n = 0;
    const answered = async (type: string, data?: unknown): Promise<unknown> => {
      n += 1;
      await ask(type, `m${n}`, data);
      const { data: reply } = await isAnswered(`m${n}`);
      return reply.error_code;
    };
    const bad = async (): Promise<void> => {
      fault = new AppError('VALIDATION_ERROR', 'The event does not match its schema.');
      expect(await answered('no_such_type')).to.equal('UNKNOWN_MESSAGE_TYPE');
      expect(await answered('subscribe_events', {})).to.equal('VALIDATION_ERROR');
      expect(await answered('publish_event', event)).to.equal('VALIDATION_ERROR');
      expect(await answered('get_connection_stats')).to.equal('PERMISSION_DENIED');
    };
    await bad();
    fault = new AppError('UNAVAILABLE', 'Redis is away.');
    expect(await answered('subscribe_events', types), 'not the fault of the client').to.equal('UNAVAILABLE');
    expect(peer.consecutiveErrors).to.equal(4);
    expect(await answered('ping'), 'sense').to.equal(undefined);
    expect(peer.consecutiveErrors).to.equal(0);
    await bad();
    expect(peer.endedWith).to.equal(null);
    fault = new AppError('VALIDATION_ERROR', 'Late again.');
    expect(await answered('publish_event', event)).to.equal('VALIDATION_ERROR');
    expect(peer.endedWith).to.equal(CLOSE.TOO_MANY_ERRORS);
  });
});
