import { expect } from 'chai';
import { until } from '../support/wait.js';
import { chaosConfig } from './support/config.js';
import { DeliveryWorld } from './support/deliveryWorld.js';
import type { SdkClient } from './support/sdkClient.js';

/** MAILBOX_SIZE as it is by default. */
const KEPT = 100;
const RATE = 300;

const { seed, plays } = chaosConfig();

if (plays('offline')) {
  describe(`chaos: users who are offline while nodes are killed (seed ${seed})`, function () {
    this.timeout(240_000);
    let world: DeliveryWorld;

    beforeEach(async () => {
      world = await DeliveryWorld.start({ seed, clients: 1, rate: RATE, targeted: 1 });
      // So that it has a position to come back with.
      await world.source.publish(5);
      await received(5);
    });

    afterEach(() => world.stop());

    const client = (): SdkClient => world.clients[0] as SdkClient;
    const ids = (): string[] => [...client().inbox.events.user.keys()];
    const received = (count: number): Promise<unknown> =>
      until(() => client().inbox.events.user.size >= count, {
        timeoutMs: 30_000,
        what: () => `${count} events are received, not only ${client().inbox.events.user.size}`,
      });

    /** Publishes while the user is away, and kills every node, each in the middle of it. */
    async function miss(count: number): Promise<void> {
      client().leave();
      const publishing = world.source.publish(count);
      for (const number of world.cluster.nodes.keys()) {
        const { begun } = world.source;
        await until(() => world.source.begun > begun || world.source.begun >= count, {
          timeoutMs: 30_000,
          what: 'publishing goes on',
        });
        await world.cluster.node(number).kill9();
        await world.cluster.restart(number);
      }
      await publishing;
      // A job of a node that was killed is taken up again within 12 s (Q1).
      await until(async () => (await world.queued()) === 0, { timeoutMs: 60_000, what: 'all are in the mailbox' });
      client().start();
    }

    it('gets all of the 80 events that came meanwhile, once and in order', async () => {
      await miss(80);
      await received(85);
      const { inbox, resumes } = client();
      expect([inbox.violations, inbox.reported]).to.deep.equal([[], []]);
      expect(resumes.get('user full')).to.equal(1);
      expect(ids().sort()).to.deep.equal(world.source.accepted.map(({ eventId }) => eventId).sort());
    });

    it('of 150 events gets the newest 100, and is told that older ones are gone', async () => {
      await miss(150);
      await received(5 + KEPT);
      const { inbox, resumes } = client();
      expect(inbox.violations).to.deep.equal([]);
      expect(inbox.reported.map(({ scope, what }) => `${scope} ${what}`)).to.include('user trimmed');
      expect(resumes.get('user partial')).to.equal(1);
      const offsets = [...inbox.events.user.values()].map(({ offset }) => offset);
      expect(offsets.slice(5)).to.deep.equal(Array.from({ length: KEPT }, (_, n) => 56 + n));
      expect(new Set(ids())).to.have.property('size', 5 + KEPT);
    });
  });
}
