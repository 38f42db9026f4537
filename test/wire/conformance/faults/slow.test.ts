import { expect } from 'chai';
import { covers } from '../support/coverage.js';
import { FaultWorld } from './world.js';

const EVENTS = 500;

describe('faults: a peer that does not read', () => {
  covers({ closes: [4201], needs: ['faults', 'secret'] }, 'is ended, and delays nobody else', async (t) => {
    t.extend(40_000);
    const env = { MAX_BUFFERED_BYTES: '65536', RECOVERY_DELAY_MS: '50', RECOVERY_ATTEMPTS: '2' };
    const world = await FaultWorld.start(t, { env });
    const slow = await t.user({}, world.url);
    const other = await t.admin({}, world.url);
    slow.ws.pause();
    const path = `/user/${encodeURIComponent(slow.userId)}`;
    const data = { padding: 'x'.repeat(50_000) };
    let isThere = true;
    for (let n = 0; isThere; n += 1) {
      expect(n * 10, 'events of 50 kB while a peer who reads nothing is kept').to.be.lessThan(EVENTS);
      const body = Array.from({ length: 10 }, () => ({ event_type: 'custom_event', data }));
      const answer = await t.rest('POST', '/events', { body, target: world.target });
      await other.event((answer.body.event_ids as string[]).at(-1));
      isThere = (await t.rest('GET', path, { target: world.target })).status === 200;
    }
    slow.ws.resume();
    // A close frame would wait behind what it has not read: it may be left out, and then it is 1006.
    expect((await slow.closed()).code).to.be.oneOf([4201, 1006]);
    await other.settled();
  });
});
