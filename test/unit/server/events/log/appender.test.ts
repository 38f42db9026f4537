import { randomBytes } from 'node:crypto';
import type { StoredEvent } from '@unified-ws/server/events/event/storedEvent';
import { Appender } from '@unified-ws/server/events/log/appender';
import { BroadcastLog } from '@unified-ws/server/events/log/broadcastLog';
import { Mailboxes, type MailPositions } from '@unified-ws/server/events/mailbox/mailboxes';
import { Keys } from '@unified-ws/server/redis/keys';
import { expect } from 'chai';
import type { Redis } from 'ioredis';
import { type RedisServer, startRedis } from '../../../../support/redis.js';
import { HISTORY, MAILBOX, storedEvent } from '../support.js';

const MIB = 1024 * 1024;

// Seen red with everything sent at once: 40 MB were under way, and all 40 users were tried after the first failure.
describe('a job for many users', function () {
  this.timeout(20_000);
  let server: RedisServer;
  let redis: Redis;
  const keys = new Keys('uws');
  before(async () => {
    server = await startRedis();
    redis = server.client();
  });
  after(() => server.stop());

  const users = Array.from({ length: 40 }, (_, n) => `user-${n}`);
  const big = (): StoredEvent[] =>
    [1, 2, 3].map((n) => ({ ...storedEvent(`e${n}`, { pad: 'x'.repeat(MIB / 3) }), target_user_ids: users }));

  /** Over real mailboxes, counting what is under way. */
  function appenderOf(fails: (userId: string) => boolean = () => false) {
    const parts = { redis: redis as never, keys, random: randomBytes };
    const log = new BroadcastLog({ ...parts, ...HISTORY });
    const mailboxes = new Mailboxes({ ...parts, ...MAILBOX, onAppended: () => undefined });
    const seen = { now: 0, most: 0, calls: [] as string[] };
    const append = async (userId: string, events: readonly StoredEvent[]): Promise<MailPositions> => {
      const size = events.reduce((sum, event) => sum + JSON.stringify(event).length, 0);
      seen.calls.push(userId);
      seen.now += size;
      seen.most = Math.max(seen.most, seen.now);
      try {
        if (fails(userId)) throw new Error('Redis is away');
        return await mailboxes.append(userId, events);
      } finally {
        seen.now -= size;
      }
    };
    return { appender: new Appender(log, { append }), seen };
  }

  it('must not have all of its copies under way at once, or it takes the memory and the lease of its node', async () => {
    const { appender, seen } = appenderOf();
    const { offsets } = await appender.append(big());
    expect(offsets).to.deep.equal([1, 2, 3]);
    expect(seen.calls).to.have.length(users.length);
    expect(seen.most).to.be.below(6 * MIB);
    for (const user of users) expect(await redis.hget(keys.boxmeta(user), 'offset')).to.equal('3');
  });

  it('must begin nothing more after a failure, or each repeat piles up on the one before', async () => {
    const { appender, seen } = appenderOf((userId) => userId === 'user-2');
    const failure = await appender.append(big()).catch((error: unknown) => error);
    expect(failure).to.be.an('error');
    const begun = seen.calls.length;
    expect(begun).to.be.below(10);
    const repeat = await appenderOf().appender.append(big());
    expect(repeat.offsets, 'appended before').to.deep.equal([0, 0, 0]);
    expect(seen.calls.length).to.equal(begun);
  });

  it('of small events must be under way as a whole', async () => {
    const { appender, seen } = appenderOf();
    const done = appender.append([{ ...storedEvent('small', {}), target_user_ids: users }]);
    expect(seen.calls).to.have.length(users.length);
    expect((await done).offsets[0]).to.be.above(0);
  });
});
