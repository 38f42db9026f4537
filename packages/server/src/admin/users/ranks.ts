import { adminPermissions, beyond, type Grant } from '../../auth/grants.js';
import type { UnregisteredConnections } from '../../connections/lifecycle/unregistered.js';
import type { FailureDetector } from '../../registry/nodes/failureDetector.js';
import { MOVED, type RegistryStore, seenOf } from '../../registry/store/registryStore.js';
import { AppError } from '../../util/appError.js';
import type { Actor } from '../audit/audit.js';
import type { NodeParts } from '../nodeParts.js';

/** Retries: how often a connect or a token refresh may come between a check and the order that follows it. */
const ATTEMPTS = 10;

type Owned = Awaited<ReturnType<RegistryStore['owner']>>;

/** What Connection.facts() stored. A node of a version before `admin` stores only the roles. */
interface Facts {
  readonly roles?: readonly string[];
  readonly admin?: readonly string[];
}

/** Who may act on whom. An actor may not act on a connected user who holds an admin permission that the actor lacks, nor give more than the actor has. */
export class Ranks {
  constructor(
    private readonly parts: Pick<NodeParts, 'store' | 'roles'> & {
      readonly failureDetector: Pick<FailureDetector, 'isDead'>;
      readonly unregistered: Pick<UnregisteredConnections, 'noted'>;
    },
  ) {}

  /** @throws AppError PERMISSION_DENIED (`details.reason` `exceeds_own`). */
  requireGrant(grant: Grant, actor: Actor): void {
    const lacking = beyond(actor, grant, this.parts.roles());
    if (lacking.length === 0) return;
    throw new AppError(
      'PERMISSION_DENIED',
      `Nobody gives more than he has: you lack ${lacking.slice(0, 5).join(', ')}.`,
      {
        details: { reason: 'exceeds_own', lacking: lacking.slice(0, 20) },
      },
    );
  }

  /**
   * Checks whether the actor may act on the user's current connections.
   *
   * @returns what was seen; pass it on, so that the order applies to nothing else.
   * @throws AppError PERMISSION_DENIED (`details.reason` `outranked`).
   */
  async require(userId: string, actor: Actor): Promise<string> {
    const [owner, noted] = await Promise.all([this.parts.store.owner(userId), this.parts.unregistered.noted(userId)]);
    this.requireOver(owner, actor);
    for (const { lease, admin } of noted) if (!this.parts.failureDetector.isDead(lease)) requireAll(admin, actor);
    return seenOf(owner, noted);
  }

  /** Like `require`, for one connection. A connection of a dead node is not checked. */
  requireOver(owner: Owned, actor: Actor): void {
    const { failureDetector, roles } = this.parts;
    if (owner === null || failureDetector.isDead(owner.lease)) return;
    const facts = JSON.parse(owner.facts || '{}') as Facts;
    requireAll(facts.admin ?? roles().permissionsOf({ roles: facts.roles ?? [], permissions: [] }), actor);
  }

  /**
   * Gives an order that also applies to later connections, but only if no connection came in between that the actor may not act on.
   *
   * @param write gives the order if the connections are those seen; MOVED: they differ, and nothing was written.
   * @throws as `require`, and AppError CONFLICT when a connection came in between each time.
   */
  async over<T>(userId: string, actor: Actor, write: (seen: string) => Promise<T | typeof MOVED>): Promise<T> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const done = await write(await this.require(userId, actor));
      if (done !== MOVED) return done;
    }
    throw new AppError('CONFLICT', 'The user keeps reconnecting; try again.');
  }
}

function requireAll(held: Iterable<string>, { permissions }: Actor): void {
  const lacking = adminPermissions(held).find((permission) => !permissions.has(permission));
  if (lacking === undefined) return;
  throw new AppError('PERMISSION_DENIED', `This user has ${lacking}, which you do not have.`, {
    details: { reason: 'outranked', permission: lacking },
  });
}
