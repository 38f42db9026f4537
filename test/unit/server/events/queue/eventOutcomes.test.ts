import { type EventOutcome, EventOutcomes } from '@unified-ws/server/events/queue/eventOutcomes';
import { expect } from 'chai';
import { type RedisServer, startRedis } from '../../../../support/redis.js';

const JOB: EventOutcome = 'job:batch_abcdefghijklmnopqrstuv';

describe('outcomes of events', function () {
  this.timeout(20_000);
  let server: RedisServer;
  before(async () => {
    server = await startRedis();
  });
  after(() => server.stop());

  // Seen red as one HSET: "Maximum call stack size exceeded".
  it('of a flush that waited for Redis must be recorded, however many they are', async () => {
    const outcomes = new EventOutcomes({
      redis: server.client() as never,
      key: (bucket) => `told:${bucket}`,
      recentKey: 'recent',
      oldKey: (bucket) => `fates:${bucket}`,
      windowMs: 900_000,
      report: () => undefined,
      clock: { now: () => 1_000_000 },
    });
    const count = 100_000;
    await outcomes.record(new Map(Array.from({ length: count }, (_, n): [string, EventOutcome] => [`e${n}`, JOB])));
    expect((await outcomes.ended('e0')).outcome).to.equal(JOB);
    expect((await outcomes.ended(`e${count - 1}`)).outcome).to.equal(JOB);
  });
});
