import { chaosConfig } from './config.js';
import { type FaultName, faults } from './faults.js';
import { faultRounds, plainRounds } from './rounds.js';
import { World } from './world.js';

const PLAIN_ROUNDS = 300;
const PLAIN_USERS = 10;
const FAULT_ROUNDS = 60;
const FAULT_USERS = 20;

const { seed, rounds, only } = chaosConfig();
const chosen = (name: string): boolean => only === null || only === name;

/**
 * Rounds of two to five simultaneous connects of a user over three node processes, broadcasts running. A failure prints the
 * seed; `npm run chaos -- --seed <seed>` plays the same plan again.
 */
describe(`chaos: one connection per user (seed ${seed})`, function () {
  // A wave of a fault takes up to 30 s when something goes wrong, and a plain round 20 s.
  this.timeout(Math.max(180_000, (rounds ?? 0) * 2000));
  let world: World | null = null;

  afterEach(async () => {
    await world?.stop();
    world = null;
  });

  if (chosen('plain')) {
    it(`leaves exactly one connection after each of ${rounds ?? PLAIN_ROUNDS} rounds, never two at a time`, async () => {
      world = await World.start({ seed, users: PLAIN_USERS });
      await plainRounds(world, rounds ?? PLAIN_ROUNDS);
    });
  }

  for (const name of Object.keys(faults) as FaultName[]) {
    if (!chosen(name)) continue;
    it(`leaves exactly one connection after ${rounds ?? FAULT_ROUNDS} rounds with the fault: ${name}`, async () => {
      world = await World.start({ seed, users: FAULT_USERS, env: faults[name].env });
      await faultRounds(world, name, rounds ?? FAULT_ROUNDS);
    });
  }
});
