import { CLOSE } from '@unified-ws/protocol';
import { until } from '../support/wait.js';
import type { Attempt } from './attempt.js';
import type { User } from './user.js';
import type { World } from './world.js';

/** Endings of a peer that left by itself. */
const LEFT: ReadonlySet<number> = new Set([1000, 1005, 1006]);

export interface Strictness {
  /** Nothing may end but by being displaced or by its own user. */
  readonly faultless: boolean;
  /** Redis forgot the claims: not surely the newest remains, and two overlap for so long at most. */
  readonly toleranceMs: number;
  readonly settleWithinMs: number;
}

export const FAULTLESS: Strictness = { faultless: true, toleranceMs: 0, settleWithinMs: 15_000 };

/**
 * What must hold of a user when a round is over. Waits for it, then looks; throws with everything that is known when it
 * does not hold.
 */
export async function verify(world: World, user: User, strict: Strictness): Promise<void> {
  const fail = (what: string): never => {
    throw new Error(`${what} (seed ${world.random.seed})\n${user.describe()}\n${world.ledger.describe(user.id)}\n${world.complaints()}`);
  };
  const timeoutMs = strict.settleWithinMs;
  await settled(user, timeoutMs, fail);
  if (user.established.length === 0) {
    await nobodyIsRight(world, user, strict, fail);
    user.dialOnce();
    await settled(user, timeoutMs, fail);
  }
  const [survivor] = user.established;
  if (!survivor) return fail('nobody is connected');
  await registryAgrees(world, user, survivor, strict);
  await stillReceives(survivor, fail);
  await logsAreRead(world, user, strict);
  const [still, ...more] = user.established;
  if (still !== survivor || more.length > 0) fail('it did not stay the one connection');
  for (const attempt of user.attempts) if (attempt !== survivor) rightlyEnded(attempt, user, strict, fail);
  const newest = Math.max(...user.attempts.map((attempt) => attempt.fence ?? 0));
  if (strict.toleranceMs === 0 && survivor.fence !== newest) fail(`fence ${newest} was established and is not current`);
  const wrong = [
    ...user.violations,
    ...world.ledger.violations,
    ...world.ledger.overlaps(user.id, strict.toleranceMs).map((text) => `two at a time: ${text}`),
  ];
  if (wrong.length > 0) fail(wrong.join('\n'));
}

type Fail = (what: string) => never;

async function settled(user: User, timeoutMs: number, fail: Fail): Promise<void> {
  try {
    await until(() => user.isSettled, { timeoutMs, what: `${user.id} settles` });
  } catch (error) {
    fail(String(error));
  }
}

/** Nobody is connected: only when the newest claimer left by itself. */
async function nobodyIsRight(world: World, user: User, strict: Strictness, fail: Fail): Promise<void> {
  await logsAreRead(world, user, strict);
  await until(async () => (await world.entry(user.id)).conn === '', {
    what: () => `the entry is released: ${user.describe()}`,
  });
  const { fence } = await world.entry(user.id);
  const newest = world.ledger.closedWithFence(user.id, fence);
  if (newest && !LEFT.has(newest.code)) fail(`nobody is connected, and the newest ended with ${newest.code}`);
  // It left before its claim was answered.
  if (!newest && !user.attempts.some(({ ownClose, conn }) => ownClose && conn === null)) {
    fail(`nobody is connected, and nobody left: fence ${fence}`);
  }
}

/** I2: its id and fence are the registry's, and nobody is left to be confirmed. */
async function registryAgrees(world: World, user: User, survivor: Attempt, strict: Strictness): Promise<void> {
  const { socket } = survivor;
  const agrees = async (): Promise<boolean> => {
    const entry = await world.entry(user.id);
    // A re-claim after a Redis that forgot has a new fence, which the client was never told.
    const sameFence = strict.toleranceMs > 0 || entry.fence === String(socket.hello?.fence);
    const sameNode = entry.lease.startsWith(`${socket.hello?.node_id}.`);
    return entry.conn === survivor.conn && sameFence && sameNode && entry.displaced === '';
  };
  let found = '';
  await until(
    async () => {
      if (await agrees()) return true;
      found = JSON.stringify(await world.entry(user.id));
      return false;
    },
    { what: () => `the registry agrees: ${found}\n${user.describe()}`, timeoutMs: strict.faultless ? 3000 : 8000 },
  );
}

/** It is delivered to: broadcasts never stop. */
async function stillReceives(survivor: Attempt, fail: Fail): Promise<void> {
  const { events } = survivor;
  try {
    await until(() => survivor.events > events + 1, { what: 'the survivor receives events', timeoutMs: 8000 });
  } catch (error) {
    fail(String(error));
  }
}

/** The logs tell of everything that the clients saw; but for a hello that was the last act of a killed node. */
async function logsAreRead(world: World, user: User, strict: Strictness): Promise<void> {
  const { ledger } = world;
  await until(
    () =>
      user.attempts.every(({ conn, ending }) => {
        if (conn === null) return true;
        if (ending === null) return ledger.isEstablished(conn);
        return ledger.closedOf(conn) !== undefined || (!strict.faultless && !ledger.isEstablished(conn));
      }),
    { what: () => `the logs tell how all connections ended: ${user.describe()}` },
  );
}

/** 4001, or 4206 when its own client has a newer attempt, and no frame after it. */
function rightlyEnded(attempt: Attempt, user: User, strict: Strictness, fail: Fail): void {
  const { ending, client } = attempt;
  if (attempt.socket.tap.afterClose > 0) fail(`a frame came after the close frame: ${attempt.describe()}`);
  if (attempt.ownClose) return;
  if (ending === null) fail(`two are open: ${attempt.describe()}`);
  else if (ending.code === CLOSE.NEWER_ATTEMPT) {
    const newer = user.attempts.some(
      (other) => other.client?.id === client?.id && other.client && client && other.client.attempt > client.attempt,
    );
    if (!newer) fail(`4206 without a newer attempt: ${attempt.describe()}`);
  } else if (strict.faultless && ending.code !== CLOSE.SUPERSEDED) {
    fail(`it ended otherwise than by being displaced: ${attempt.describe()}`);
  }
}
