import { expect } from 'chai';
import { Mutant } from '../support/mutant.js';
import { until } from '../support/wait.js';
import { chaosConfig } from './support/config.js';
import { check, describeVerdict, figures, settled, type Verdict } from './support/delivery.js';
import { DeliveryWorld, type DeliveryWorldOptions } from './support/deliveryWorld.js';
import { SCOPES } from './support/inbox.js';

const EVENTS = 2500;
const RATE = 200;
const SHORT_EVENTS = 1200;
/** Half of the events are for one user each. */
const TARGETED = 0.5;

/** Surely misses something, whatever the faults of the run hit. */
async function awayForAWhile({ clients, source }: DeliveryWorld): Promise<void> {
  const since = source.begun;
  for (const client of clients) client.leave();
  await until(() => source.begun > since + SHORT_EVENTS / 3, { timeoutMs: 60_000, what: 'events are published' });
  for (const client of clients) client.start();
}

/** Everybody has a position of each scope, which it will come back with. */
async function positioned({ clients, source }: DeliveryWorld): Promise<void> {
  const all = (): boolean => clients.every(({ inbox }) => SCOPES.every((scope) => inbox.events[scope].size > 0));
  while (!all()) await source.publish(RATE / 4);
}

const { seed, events, rate, plays, full } = chaosConfig();
const CLIENTS = full ? 50 : 25;

if (plays('events')) {
  describe(`chaos: events that are not lost (seed ${seed})`, function () {
    this.timeout(180_000 + (events ?? EVENTS) * 20);
    let world: DeliveryWorld | null = null;
    let mutant: Mutant | null = null;

    afterEach(async () => {
      await world?.stop();
      world = null;
      mutant?.remove();
      mutant = null;
    });

    async function run(
      total: number,
      options: Partial<DeliveryWorldOptions> = {},
      meanwhile: (world: DeliveryWorld) => Promise<void> = async () => undefined,
    ): Promise<Verdict> {
      world = await DeliveryWorld.start({ seed, clients: CLIENTS, rate: rate ?? RATE, targeted: TARGETED, ...options });
      await positioned(world);
      world.saboteur.start();
      try {
        const rest = Math.max(total - world.source.begun, SHORT_EVENTS);
        await Promise.all([world.source.publish(rest), meanwhile(world)]);
      } finally {
        await world.saboteur.stop();
      }
      await settled(world);
      const verdict = check(world);
      console.log(`      ${figures(world, verdict)}`);
      return verdict;
    }

    it('each client gets each of its events once and in order, whatever nodes and links do', async () => {
      const verdict = await run(events ?? EVENTS);
      const text = (): string => (world ? describeVerdict(world, verdict) : '');
      expect([...verdict.lost, ...verdict.violations], text()).to.deep.equal([]);
      // All were back within the history: nobody had to be told of a loss.
      expect(verdict.reported, text()).to.equal(0);
      expect(world?.source.accepted.length).to.be.at.least(events ?? EVENTS);
      expect(world?.saboteur.actions.get('node killed')).to.be.above(0);
    });

    it('of what a history that is too short has lost, each client is told', async () => {
      const env = { HISTORY_SIZE: '100', WINDOW_SIZE: '20', MAILBOX_SIZE: '5' };
      const verdict = await run(SHORT_EVENTS, { env, clients: 20 }, awayForAWhile);
      const text = (): string => (world ? describeVerdict(world, verdict) : '');
      expect([...verdict.lost, ...verdict.violations], text()).to.deep.equal([]);
      expect(verdict.excused, text()).to.be.above(0);
    });

    it('the check sees a loss: of a build that takes every position for good and replays nothing', async () => {
      mutant = new Mutant([
        {
          file: 'delivery/resumes.js',
          from: 'const { position: head, recentEvents } = this.fanout;',
          to: "return { result: 'full', position: null, epoch: '', text: given };",
        },
        {
          file: 'delivery/user/userScope.js',
          from: 'resumeMailbox(given, mailbox);',
          to: "given && mailbox ? { result: 'full', from: mailbox } : resumeMailbox(given, mailbox);",
        },
      ]);
      const verdict = await run(SHORT_EVENTS, { main: mutant.main, clients: 10 }, awayForAWhile);
      const silently = (scope: string): number => verdict.lost.filter((text) => text.includes(` ${scope} `)).length;
      expect(silently('broadcast'), 'broadcasts').to.be.above(0);
      expect(silently('user'), 'targeted events').to.be.above(0);
      expect(verdict.violations.some((text) => text.startsWith('a hole that was not told'))).to.equal(true);
    });
  });
}
