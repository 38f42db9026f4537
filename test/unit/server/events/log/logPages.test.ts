import { randomBytes } from 'node:crypto';
import { BroadcastLog } from '@unified-ws/server/events/log/broadcastLog';
import { LogPages } from '@unified-ws/server/events/log/logPages';
import { Keys } from '@unified-ws/server/redis/keys';
import { expect } from 'chai';
import type { Redis } from 'ioredis';
import { type RedisServer, startRedis } from '../../../../support/redis.js';
import { HISTORY, storedEvent } from '../support.js';

describe('pages of the log', function () {
  this.timeout(20_000);
  let server: RedisServer;
  let redis: Redis;
  let log: BroadcastLog;
  const COUNT = 2000;

  before(async () => {
    server = await startRedis();
    redis = server.client();
    log = new BroadcastLog({ redis: redis as never, keys: new Keys('uws'), random: randomBytes, ...HISTORY });
    for (let n = 0; n < COUNT; n += 100) {
      await log.append(Array.from({ length: 100 }, (_, i) => storedEvent(`e${n + i}`)));
    }
  });
  after(() => server.stop());

  it('that are asked for in part must be small, and come from a page that is known', async () => {
    const pages = new LogPages(log);
    const part = await pages.after(300, COUNT, 10);
    expect(part.map(({ offset }) => offset)).to.deep.equal([301, 302, 303, 304, 305, 306, 307, 308, 309, 310]);
    expect(pages.size, 'a part is no page').to.equal(0);
    await pages.after(250, COUNT);
    const known = await pages.after(495, COUNT, 10);
    expect(known.map(({ offset }) => offset)).to.deep.equal([496, 497, 498, 499, 500]);
  });

  // Seen red when what was under way was kept: it is of the log before.
  it('that were under way when the log was replaced must not be kept', async () => {
    const pages = new LogPages(log);
    const read = pages.after(0, COUNT);
    pages.clear();
    expect(await read).to.have.length(250);
    expect(pages.size).to.equal(0);
  });

  // Seen red when they were kept: a forged position costs each node an entry of the map, for good.
  it('that are trimmed away must not be kept: there may be any number of them', async () => {
    const pages = new LogPages(log);
    await redis.xtrim('uws:{log}:s', 'MAXLEN', 100);
    for (let after = 0; after < COUNT - 500; after += 250) {
      const entries = await pages.after(after, COUNT);
      expect(entries[0]?.offset).to.equal(COUNT - 99);
    }
    expect(pages.size).to.equal(0);
  });
});
