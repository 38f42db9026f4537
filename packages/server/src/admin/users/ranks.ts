import { adminPermissions, beyond, type Grant } from '../../auth/grants.js';
import type { UnregisteredConnections } from '../../connections/lifecycle/unregistered.js';
import type { FailureDetector } from '../../registry/nodes/failureDetector.js';
import { MOVED, type RegistryStore, seenOf } from '../../registry/store/registryStore.js';
import { AppError } from '../../util/appError.js';
import type { Actor } from '../audit/audit.js';
import type { NodeParts } from '../nodeParts.js';

/** As often as that somebody connects, or changes his token, between a look and the order that follows it. */
const ATTEMPTS = 10;

type Owned = Awaited<ReturnType<RegistryStore['owner']>>;

/** What Connection.facts() stored. A node from before there was `admin` tells the roles alone. */
interface Facts {
  readonly roles?: readonly string[];
  readonly admin?: readonly string[];
}

/** Who may do what to whom: nobody acts on a connected user who holds an admin permission that he lacks, nor gives more than he has. */
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
   * Looks whether the actor may act on whoever is connected of the user.
   *
   * @returns what was seen, for an order that is to hold for nothing else.
   * @throws AppError PERMISSION_DENIED (`details.reason` `outranked`).
   */
  async require(userId: string, actor: Actor): Promise<string> {
    const [owner, noted] = await Promise.all([this.parts.store.owner(userId), this.parts.unregistered.noted(userId)]);
    this.requireOver(owner, actor);
    for (const { lease, admin } of noted) if (!this.parts.failureDetector.isDead(lease)) requireAll(admin, actor);
    return seenOf(owner, noted);
  }

  /** As `require`, of one connection. One of a dead node is none. */
  requireOver(owner: Owned, actor: Actor): void {
    const { failureDetector, roles } = this.parts;
    if (owner === null || failureDetector.isDead(owner.lease)) return;
    const facts = JSON.parse(owner.facts || '{}') as Facts;
    requireAll(facts.admin ?? roles().permissionsOf({ roles: facts.roles ?? [], permissions: [] }), actor);
  }

  /**
   * Gives an order that holds for whoever connects later too, and only if nobody has come in between who is not to be acted on.
   *
   * @param write gives it if what is connected is what was seen; MOVED: it is not, and nothing was done.
   * @throws as `require`, and AppError CONFLICT when somebody came each time.
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
  throw new AppError('PERMISSION_DENIED', `This user holds ${lacking}, which you lack.`, {
    details: { reason: 'outranked', permission: lacking },
  });
}
