import { expect } from 'chai';
import { covers } from './support/coverage.js';
import { TIME } from './support/frames.js';

describe('liveness', () => {
  covers({ server: ['heartbeat'] }, 'a quiet connection is told its position from time to time', async (t) => {
    const interval = (await t.target.info()).limits.heartbeat_interval_ms ?? 0;
    t.extend(interval);
    const client = await t.user();
    const { data } = await client.waitFor('heartbeat', undefined, interval + 5000);
    expect(data.server_time).to.match(TIME);
    expect(data.connection_healthy).to.equal(true);
    expect(data.positions).to.have.all.keys('broadcast', 'user');
    const { broadcast } = data.positions as { broadcast: string | null };
    if (broadcast === null) return;
    const back = await t.user({ query: { resume: `${broadcast}~` } });
    expect(back.establishedData.resume).to.deep.include({ broadcast: 'full' });
  });

  covers({ closes: [4202] }, 'a peer that answers no ping is ended; one that says anything is not', async (t) => {
    const { ping_interval_ms = 0, ping_timeout_ms = 0 } = (await t.target.info()).limits;
    const limit = ping_interval_ms + ping_timeout_ms;
    t.extend(limit);
    const deaf = await t.user({ pongs: false });
    const alive = await t.admin({ pongs: false });
    const chat = setInterval(() => alive.send('pong'), ping_timeout_ms / 4);
    t.undo(async () => clearInterval(chat));
    let pings = 0;
    deaf.ws.on('ping', () => {
      pings += 1;
    });
    // A close frame for somebody who does not answer may be left out: then it is 1006.
    expect((await deaf.closed(limit + 5000)).code).to.be.oneOf([4202, 1006]);
    expect(pings).to.be.greaterThan(0);
    await alive.settled();
  });
});
