import { setTimeout as sleep } from 'node:timers/promises';
import { type FaultName, faults, LEAD_MS } from './faults.js';
import type { User } from './user.js';
import { FAULTLESS, verify } from './verdict.js';
import type { World } from './world.js';

/** What was played, for the reader of a report. */
export class Played {
  rounds = 0;
  connects = 0;
  /** From dial to connection_established, of those that got one; milliseconds. */
  longestWaitMs = 0;

  add(user: User): void {
    this.rounds += 1;
    this.connects += user.dialled;
    for (const { socket } of user.attempts) {
      if (socket.establishedData)
        this.longestWaitMs = Math.max(this.longestWaitMs, socket.establishedAt - socket.startedAt);
    }
  }

  toString(): string {
    return `${this.rounds} rounds, ${this.connects} connects, longest wait for connection_established ${Math.round(this.longestWaitMs)} ms`;
  }
}

/** Rounds without a fault, all users at the same time, each at its own pace. */
export async function plainRounds(world: World, rounds: number): Promise<Played> {
  const each = Math.ceil(rounds / world.users.length);
  const played = new Played();
  let failed = false;
  await all(
    world.users.map(async (user) => {
      for (let round = 0; round < each && !failed; round += 1) {
        try {
          user.nextRound();
          await user.burst();
          await verify(world, user, FAULTLESS);
          played.add(user);
        } catch (error) {
          failed = true;
          throw error;
        }
      }
    }),
  );
  return played;
}

/** Rounds with one fault in their middle: it hits all users at once, each in another moment of its round. */
export async function faultRounds(world: World, name: FaultName, rounds: number): Promise<Played> {
  const fault = faults[name];
  const waves = Math.ceil(rounds / world.users.length);
  const played = new Played();
  for (let wave = 0; wave < waves; wave += 1) {
    await all([
      fault.strike(world, wave),
      ...world.users.map(async (user) => {
        user.nextRound();
        // Half of them just when it strikes, the others at some time while it lasts.
        await sleep(user.random.chance(0.5) ? user.random.int(0, 2 * LEAD_MS) : user.random.int(0, fault.lastsMs));
        await user.burst();
      }),
    ]);
    await world.healed(fault.strict.settleWithinMs);
    await all(world.users.map((user) => verify(world, user, fault.strict)));
    for (const user of world.users) played.add(user);
  }
  return played;
}

/** As `Promise.all`, but nobody is still at work when it is over. */
export async function all(work: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(work)) if (result.status === 'rejected') throw result.reason;
}
