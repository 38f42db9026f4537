import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '@unified-ws/server/util/clock';
import { expect } from 'chai';
import { until } from '../support/wait.js';
import { chaosConfig } from './support/config.js';
import { check, describeVerdict, figures, missing, settled } from './support/delivery.js';
import { DeliveryWorld } from './support/deliveryWorld.js';

/** Half of the events are for one user each. */
const TARGETED = 0.5;
const CLIENTS = 20;
const RATE = 100;
/** Before anything is taken away, so that there is something to lose. */
const EVENTS_BEFORE = 200;
const SET_BACK_MS = 2000;
/** Published on for so long afterwards. */
const AFTER_MS = 5000;

const { seed, plays } = chaosConfig();

if (plays('lost')) {
  describe(`chaos: a Redis that lost what it had confirmed (seed ${seed})`, function () {
    this.timeout(120_000);
    let world: DeliveryWorld;

    beforeEach(async () => {
      world = await DeliveryWorld.start({ seed, clients: CLIENTS, rate: RATE, targeted: TARGETED });
    });

    afterEach(() => world.stop());

    /**
     * Half of the clients are away while it happens: they learn of it by their resume, the others by a gap.
     *
     * @param traceless what was for one user and was lost before that user's node saw it leaves no trace: the mailbox of the copy
     *   is sound (CONSISTENCY, what asynchronous Redis can't give).
     */
    async function lose(strike: () => Promise<void>, traceless: boolean): Promise<void> {
      const publishing = world.source.publish();
      const [away, there] = [world.clients.filter((_, n) => n % 2 === 0), world.clients.filter((_, n) => n % 2 === 1)];
      const received = (count: number): boolean =>
        world.clients.every(({ inbox }) => inbox.events.broadcast.size >= count);
      await until(() => received(EVENTS_BEFORE), { timeoutMs: 20_000, what: 'events are delivered' });
      for (const client of away) client.leave();
      await strike();
      const struckAt = systemClock.mono();
      for (const client of away) client.start();
      await sleep(AFTER_MS);
      world.source.stop();
      await publishing;
      await settled(world);
      const { accepted } = world.source;
      const all = check(
        world,
        accepted.filter(({ target, askedAt }) => !traceless || target === null || askedAt > struckAt),
      );
      console.log(`      ${figures(world, all)}`);
      if (traceless) console.log(`      lost without a trace: ${check(world).lost.length - all.lost.length}`);
      const text = describeVerdict(world, all);
      // What was lost without a word, and whatever came twice or in the wrong order.
      expect([...all.lost, ...all.violations], text).to.deep.equal([]);
      // L1: what was published when it was over, and the client there again, is delivered, whatever was told.
      for (const client of world.clients) {
        const since = there.includes(client) ? struckAt : client.connectedAt;
        const afterwards = accepted.filter(({ askedAt }) => askedAt > since);
        expect(afterwards.length).to.be.above(RATE / 4);
        expect(missing(client, afterwards), `${client.userId} ${text}`).to.deep.equal([]);
      }
      for (const { inbox, userId } of world.clients) {
        const reported = inbox.reported.filter(({ scope }) => scope === 'broadcast').map(({ what }) => what);
        // One that was there may have lost its connection as well, and one that came back at once be told by a gap.
        expect(['log_reset', 'none'], `${userId} was told ${reported.join(', ')}\n${text}`).to.include(reported[0]);
      }
    }

    it('emptied under load: every client is told, and nothing published afterwards is missed (L1)', async () => {
      await lose(async () => {
        await world.redis.client().flushall();
      }, false);
    });

    it('set back by two seconds under load: every client is told, and nothing published afterwards is missed (L1)', async () => {
      await lose(async () => {
        await world.redis.client().save();
        await sleep(SET_BACK_MS);
        // Nothing is saved on the way: it starts with the copy.
        await world.redis.kill9();
        await world.redis.restart();
      }, true);
    });
  });
}
