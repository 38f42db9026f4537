import { CLOSE, reconnectPolicy } from '@unified-ws/protocol';
import { until } from '../../support/wait.js';
import type { Attempt } from './attempt.js';
import type { User } from './user.js';
import type { RegistryEntry, World } from './world.js';

export interface Strictness {
  /** Nothing may end but by being replaced or by its own user. */
  readonly faultless: boolean;
  /** Redis forgot the claims: not surely the newest remains, and two overlap for so long at most. */
  readonly toleranceMs: number;
  readonly settleWithinMs: number;
}

/** What of a world is looked at. */
export interface Watched extends Pick<World, 'random' | 'cluster' | 'ledger' | 'actions'> {
  entry(user: string): Promise<RegistryEntry>;
  complaints(): string;
}

export const FAULTLESS: Strictness = { faultless: true, toleranceMs: 0, settleWithinMs: 15_000 };

/**
 * What must hold of a user when a round is over: waits until nobody is on the way, then looks.
 *
 * @throws Error with all that is known, when it does not hold.
 */
export async function verify(world: Watched, user: User, strict: Strictness): Promise<void> {
  try {
    await check(world, user, strict);
  } catch (error) {
    const entry = `registry: ${JSON.stringify(await world.entry(user.id))}`;
    const actions = world.actions.slice(-4).join(', ');
    const known = [entry, actions, user.describe(), world.ledger.describe(user.id), world.complaints()].join('\n');
    throw new Error(`${error instanceof Error ? error.message : String(error)} (seed ${world.random.seed})\n${known}`);
  }
}

async function check(world: Watched, user: User, strict: Strictness): Promise<void> {
  const survivor = await findSurvivor(world, user, strict);
  if (user.established.length !== 1) throw new Error('it is not the only connection');
  const newest = Math.max(...user.attempts.map((attempt) => attempt.fence ?? 0));
  if (strict.toleranceMs === 0 && survivor.fence !== newest) {
    throw new Error(`fence ${newest} was established and is not current`);
  }
  const overlaps = world.ledger.overlaps(user.id, strict.toleranceMs).map((text) => `two at a time: ${text}`);
  const ended = user.attempts.filter((attempt) => attempt !== survivor);
  const endings = ended.flatMap((attempt) => wrongEnding(attempt, user, strict) ?? []);
  const wrong = [...user.violations, ...world.ledger.violations, ...overlaps, ...endings];
  if (wrong.length > 0) throw new Error(wrong.join('\n'));
}

/** The one connection that is open, is the registry's, and is delivered to. */
async function findSurvivor(world: Watched, user: User, strict: Strictness): Promise<Attempt> {
  for (let round = 1; ; round += 1) {
    await quiet(world, user, strict);
    if (user.established.length === 0) {
      await nobodyIsRight(world, user, strict);
      user.dialOnce();
      await quiet(world, user, strict);
    }
    const [survivor] = user.established;
    if (!survivor) throw new Error('nobody is connected');
    await registryAgrees(world, survivor, strict);
    const { events } = survivor;
    await until(() => survivor.events > events + 1 || survivor.ending, {
      what: 'the survivor receives broadcasts',
      // A job that was in work when its worker or Redis went is delivered again within 12 s (Q1).
      timeoutMs: 15_000,
    });
    if (survivor.isEstablished) return survivor;
    // The claim of a peer that left at once may run after its end: a claim under way cannot be called back (C1). And that the
    // survivor was closed may be read last of all: the logs check whether that was in time.
    const late = user.attempts.filter(({ ownClose, conn }) => ownClose && conn === null).length;
    if (round > late + 1) throw new Error('the survivor did not stay');
  }
}

/** No device is on its way, and every connection that ended has ended on its node too: nothing can change any more. */
async function quiet(world: Watched, user: User, { settleWithinMs }: Strictness): Promise<void> {
  const { ledger, cluster } = world;
  await until(
    () =>
      user.isSettled &&
      cluster.nodes.every((node, index) => ledger.closedOn(index, user.id) >= user.endedOn(node)) &&
      user.established.every(({ conn }) => conn !== null && ledger.isOpen(conn)),
    { timeoutMs: settleWithinMs, what: `${user.id} settles` },
  );
}

/** Nobody is connected: only when the newest claimer left by itself, or would have come back and left before it did. */
async function nobodyIsRight(world: Watched, user: User, { faultless }: Strictness): Promise<void> {
  if (user.quits === 0) throw new Error('nobody is connected, and nobody left');
  let entry = await world.entry(user.id);
  if (faultless) {
    // After a fault it may be that of a dead lease, which reads as absent and is reaped much later (C11).
    const released = async (): Promise<boolean> => {
      entry = await world.entry(user.id);
      return entry.conn === '';
    };
    await until(released, { what: 'the entry is released' });
  }
  const newest = entry.fence === '' ? undefined : world.ledger.closedWithFence(user.id, entry.fence);
  // No record: it left before its claim was answered.
  if (newest && (newest.code === CLOSE.NEWER_ATTEMPT || reconnectPolicy(newest.code) !== 'backoff')) {
    throw new Error(`nobody is connected, and the newest ended with ${newest.code}`);
  }
}

/** I2: its id, fence and node are the registry's, and nobody is left to be confirmed; unless it ends meanwhile. */
async function registryAgrees(world: Watched, survivor: Attempt, strict: Strictness): Promise<void> {
  const { establishedData } = survivor.socket;
  let entry = await world.entry(establishedData?.user_id ?? '');
  await until(
    async () => {
      if (survivor.ending) return true;
      entry = await world.entry(establishedData?.user_id ?? '');
      // A re-claim after a Redis that forgot has a new fence, which the client was never told.
      const sameFence = strict.toleranceMs > 0 || entry.fence === String(establishedData?.fence);
      const sameNode = entry.lease.startsWith(`${establishedData?.node_id}.`);
      return entry.conn === establishedData?.connection_id && sameFence && sameNode && entry.displaced === '';
    },
    {
      what: () => `the registry agrees, which holds ${JSON.stringify(entry)}`,
      timeoutMs: strict.faultless ? 3000 : 8000,
    },
  );
}

/** All but 4001, or 4206 when its own client has a newer attempt, with no frame after it. */
function wrongEnding(attempt: Attempt, user: User, { faultless }: Strictness): string | null {
  const { ending, client, socket } = attempt;
  if (socket.tap.afterClose > 0) return `a frame came after the close frame: ${attempt.describe()}`;
  if (attempt.ownClose) return null;
  if (ending === null) return `two are open: ${attempt.describe()}`;
  if (ending.code === CLOSE.NEWER_ATTEMPT) {
    const newer = user.attempts.some(
      ({ client: other }) => client && other?.id === client.id && other.attempt > client.attempt,
    );
    return newer ? null : `4206 without a newer attempt: ${attempt.describe()}`;
  }
  return faultless && ending.code !== CLOSE.SUPERSEDED ? `not ended by being replaced: ${attempt.describe()}` : null;
}
