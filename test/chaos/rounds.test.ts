import { expect } from 'chai';
import { chaosConfig } from './support/config.js';
import { type Fault, type FaultName, faults } from './support/faults.js';
import { faultRounds, plainRounds } from './support/rounds.js';
import { World } from './support/world.js';

const PLAIN_ROUNDS = 100;
const PLAIN_USERS = 10;
const FAULT_ROUNDS = 40;
const FAULT_USERS = 20;
/** Over a Redis Cluster, of six servers, when all suites run. */
const SHARD_ROUNDS = 10;
const SHARD_USERS = 5;

const { seed, rounds, plays } = chaosConfig();

/**
 * Rounds of two to five simultaneous connects of a user over three node processes, broadcasts running. A failure prints the
 * seed; `npm run chaos -- --seed <seed>` plays the same plan again.
 *
 * That these tests can fail was seen with builds of the node from which a rule was taken (UWS_NODE_MAIN names the build):
 * - the replaced list in claim.lua (C2): `plain` and the directed case, two at a time within the first rounds;
 * - the wait for acknowledgements in pendingReplacements.ts: the same two;
 * - the comparison of fences in decideEntry and in the re-claim of claim.lua (C4): `pause`, a woken node takes the user back.
 *   In one of the two places alone nothing is seen: the other refuses;
 * - the marks that each second leaves on the shards (C12): `shard`, 200 rounds. In fewer the broken links of a fail-over may find all;
 * - the comparison in release.lua (I3): `plain`. Of the fence alone nothing is seen: a connection id never comes again.
 */
describe(`chaos: one connection per user (seed ${seed})`, function () {
  // A wave of a fault takes up to 30 s when something goes wrong, and a plain round 20 s.
  this.timeout(Math.max(180_000, (rounds ?? 0) * 2000));
  let world: World | null = null;

  afterEach(async () => {
    await world?.stop();
    world = null;
  });

  if (plays('plain')) {
    it(`leaves exactly one connection after each of ${rounds ?? PLAIN_ROUNDS} rounds, never two at a time`, async () => {
      world = await World.start({ seed, users: PLAIN_USERS });
      const played = await plainRounds(world, rounds ?? PLAIN_ROUNDS);
      const [replacements, duplicates] = await Promise.all([world.replacements(), world.duplicatesFound()]);
      console.log(`      ${played}, ${replacements} replacements, uws_duplicates_found_total ${duplicates}`);
      expect(duplicates).to.equal(0);
    });
  }

  for (const name of Object.keys(faults) as FaultName[]) {
    if (!plays(name)) continue;
    const { env, strict, longestWaitMs, shards = false }: Fault = faults[name];
    const count = rounds ?? (shards ? SHARD_ROUNDS : FAULT_ROUNDS);
    it(`leaves exactly one connection after ${count} rounds with the fault: ${name}`, async () => {
      const users = shards && rounds === null ? SHARD_USERS : FAULT_USERS;
      world = await World.start({ seed, users, env, shards });
      const played = await faultRounds(world, name, count);
      console.log(`      ${played}`);
      expect(played.longestWaitMs).to.be.at.most(longestWaitMs);
      // Until a node has noticed that Redis forgot, it cannot know of a newer connection.
      if (strict.toleranceMs === 0) expect(await world.duplicatesFound()).to.equal(0);
    });
  }
});
