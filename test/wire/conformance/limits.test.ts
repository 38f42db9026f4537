import { expect } from 'chai';
import type { Case } from './support/case.js';
import { covers } from './support/coverage.js';
import { RawSocket } from './support/raw.js';
import { userToken } from './support/target.js';

/** A raw connection of the user, gone at the end of the test. */
async function raw(t: Case): Promise<RawSocket> {
  const { endpoint } = await t.target.info();
  const socket = await RawSocket.open(`${t.target.next()}${endpoint}`, userToken());
  t.undo(async () => socket.destroy());
  return socket;
}

describe('limits', () => {
  covers(
    { errors: ['UNKNOWN_MESSAGE_TYPE', 'MESSAGE_ERROR'], closes: [4008] },
    'bad messages in a row end the connection; a good one between begins the count anew',
    async (t) => {
      const max = (await t.target.info()).limits.max_consecutive_errors ?? 0;
      const client = await t.user();
      for (let round = 0; round < 2; round += 1) {
        for (let n = 1; n < max; n += 1) client.send('no_such_message');
        await client.settled();
      }
      for (let n = 0; n < max; n += 1) client.sendText(n % 2 === 0 ? 'junk' : '{"type":"junk"}');
      expect((await client.closed()).code).to.equal(4008);
      const errors = client.frames.filter(({ type }) => type === 'error');
      expect(errors, 'each is answered, the last one too').to.have.length(3 * max - 2);
    },
  );

  covers(
    { errors: ['RATE_LIMITED'], closes: [4204] },
    'messages over the rate are refused with the time to wait, and a client that goes on is closed',
    async (t) => {
      const { message_burst = 0 } = (await t.target.info()).limits;
      const client = await t.user();
      // Twice the burst and what is allowed meanwhile: more than any rate makes up for while they are sent.
      for (let n = 0; n < 4 * message_burst && client.isOpen; n += 1) client.send('pong');
      expect((await client.closed()).code).to.equal(4204);
      const [refusal] = client.frames.filter(({ type }) => type === 'error');
      expect(refusal?.data).to.include({ error_code: 'RATE_LIMITED', recoverable: true });
      expect((refusal?.data.details as { retry_after_ms: number }).retry_after_ms).to.be.greaterThan(0);
    },
  );

  covers({ closes: [1009] }, 'a message over max_payload is not read to its end', async (t) => {
    const { max_payload = 0 } = (await t.target.info()).limits;
    const client = await t.user();
    const envelope = '{"type":"ping","more":""}';
    client.sendText(envelope.replace('""', `"${'x'.repeat(max_payload - envelope.length)}"`));
    await client.settled();
    client.sendText(envelope.replace('""', `"${'x'.repeat(max_payload - envelope.length + 1)}"`));
    expect((await client.closed()).code).to.equal(1009);
  });

  covers({ closes: [1003] }, 'a binary frame is not taken', async (t) => {
    const client = await t.user();
    client.ws.send(Buffer.from('{"type":"ping"}'), { binary: true });
    expect((await client.closed()).code).to.equal(1003);
  });

  covers({ closes: [1007] }, 'a text that is not UTF-8 is not taken', async (t) => {
    const socket = await raw(t);
    socket.send(0x81, Buffer.from([0x22, 0xc3, 0x28, 0x22]));
    expect(await socket.closed()).to.equal(1007);
  });

  covers({ closes: [4009] }, 'a message in pieces without end is not waited for', async (t) => {
    const { max_payload = 0 } = (await t.target.info()).limits;
    const most = Math.max(1024, max_payload / 1024);
    const socket = await raw(t);
    socket.send(0x01, 'x');
    for (let n = 0; n < most; n += 1) socket.send(0x00, 'x');
    expect(await socket.closed()).to.equal(4009);
  });

  covers({ closes: [1002] }, 'a frame that RFC 6455 does not allow ends the connection', async (t) => {
    for (const first of [0xc1, 0x83, 0x80, 0x09]) {
      const socket = await raw(t);
      socket.send(first, '{"type":"ping"}');
      expect(await socket.closed(), first.toString(16)).to.equal(1002);
    }
  });
});
