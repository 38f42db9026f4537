import { Keys } from '@unified-ws/server/redis/keys';
import { ClusterTime } from '@unified-ws/server/registry/time/clusterTime';
import { type Clock, systemClock } from '@unified-ws/server/util/clock';
import { expect } from 'chai';
import type { Redis } from 'ioredis';
import { type RedisServer, startRedis } from '../../../../support/redis.js';
import { StepClock } from '../../../../support/stepClock.js';

const MINUTES = 60_000;
/** Clocks of one machine, read one after the other on a slow one. */
const NEAR_MS = 400;

/** A machine whose clocks a test sets. */
class Machine implements Clock {
  wall = 0;
  asleep = 0;
  now(): number {
    return systemClock.now() + this.wall - this.asleep;
  }
  mono(): number {
    return systemClock.mono() - this.asleep;
  }
}

describe('Cluster time', () => {
  const keys = new Keys('uws');
  let redisClock: StepClock;
  let server: RedisServer;
  let redis: Redis;

  before(async () => {
    redisClock = new StepClock();
    server = await startRedis({ clock: redisClock });
    redis = server.client();
  });

  beforeEach(async () => {
    redisClock.set(0);
    await redis.flushall();
  });

  after(async () => {
    await server.stop();
    redisClock.remove();
  });

  const node = (clock: Clock = systemClock): ClusterTime => new ClusterTime({ redis, keys, clock });
  const off = (time: ClusterTime): number => time.now() - systemClock.now();

  it('is the same on machines whose wall clocks are wrong, so that what one says of a time holds on the other', async () => {
    const [early, late] = [new Machine(), new Machine()];
    early.wall = -90_000;
    late.wall = 60 * MINUTES;
    const nodes = [node(early), node(late)];
    expect(nodes[0]?.offsetMs).to.equal(null);
    for (const one of nodes) await one.sample();
    for (const one of nodes) expect(off(one)).to.be.closeTo(0, NEAR_MS);
    expect(nodes[0]?.offsetMs).to.be.closeTo(-90_000, NEAR_MS);
    expect(nodes[1]?.offsetMs).to.be.closeTo(60 * MINUTES, NEAR_MS);
  });

  for (const step of [-10 * MINUTES, 10 * MINUTES]) {
    it(`goes on when the clock of Redis steps by ${step / MINUTES} min, or what is stored would end early or never`, async () => {
      const [a, b] = [node(), node()];
      for (const one of [a, b]) await one.sample();
      redisClock.set(step);
      for (const one of [a, b, a]) {
        await one.sample();
        expect(off(one)).to.be.closeTo(0, NEAR_MS);
      }
      expect(a.redisOffsetMs).to.be.closeTo(step, NEAR_MS);
      const newcomer = node();
      await newcomer.sample();
      expect(off(newcomer)).to.be.closeTo(0, NEAR_MS);
      redisClock.set(0);
      await b.sample();
      expect(off(b)).to.be.closeTo(0, NEAR_MS);
      // What it stayed behind or ahead by is made good slowly.
      expect(Math.abs(b.redisOffsetMs ?? Number.NaN)).to.be.lessThan(3000);
    });

    it(`goes on when Redis also forgot it, and steps by ${step / MINUTES} min`, async () => {
      const one = node();
      await one.sample();
      redisClock.set(step);
      await redis.flushall();
      await one.sample();
      expect(off(one)).to.be.closeTo(0, NEAR_MS);
    });
  }

  it('follows Redis when this machine alone slept: its monotonic clock knows less than the others', async () => {
    const machine = new Machine();
    const [sleeper, other] = [node(machine), node()];
    for (const one of [sleeper, other]) await one.sample();
    // An hour of Redis in no time, as the others, who were awake, have found.
    redisClock.set(60 * MINUTES);
    await redis.hset(keys.time(), 'time', systemClock.now() + 60 * MINUTES);
    await sleeper.sample();
    expect(off(sleeper)).to.be.closeTo(60 * MINUTES, NEAR_MS);
  });

  it('follows Redis when every machine slept and their wall clocks tell so', async () => {
    const machine = new Machine();
    const one = node(machine);
    await one.sample();
    redisClock.set(60 * MINUTES);
    machine.wall = 60 * MINUTES;
    await one.sample();
    expect(off(one)).to.be.closeTo(60 * MINUTES, NEAR_MS);
  });

  it('is the clock of Redis again after a night without any node, and not where it was in the evening', async () => {
    const machine = new Machine();
    await node(machine).sample();
    redisClock.set(600 * MINUTES);
    machine.wall = 600 * MINUTES;
    const first = node(machine);
    await first.sample();
    expect(off(first)).to.be.closeTo(600 * MINUTES, NEAR_MS);
  });

  it('believes the machine that reckons with it, not the clock of a Redis that was set, for a node that starts at once after the step', async () => {
    await node().sample();
    redisClock.set(10 * MINUTES);
    const first = node();
    await first.sample();
    expect(off(first)).to.be.closeTo(0, NEAR_MS);
  });

  it('never goes back from one sample to the next', async () => {
    const one = node();
    let last = 0;
    for (let round = 0; round < 50; round += 1) {
      await one.sample();
      const now = one.now();
      expect(now).to.be.at.least(last);
      last = now;
    }
  });

  it('comes back to the clock of Redis slowly, when that was set back because it had been wrong', async () => {
    redisClock.set(10 * MINUTES);
    const one = node();
    await one.sample();
    redisClock.set(0);
    await one.sample();
    const before = one.redisOffsetMs ?? 0;
    // As if a while had passed: the time that was told last, and the clock.
    redisClock.set(1000);
    await one.sample();
    const passed = (one.redisOffsetMs ?? 0) - before;
    expect(passed).to.be.within(1, 1000);
  });
});
