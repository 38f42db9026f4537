import type { SubscriptionChangeReason } from '@unified-ws/protocol';
import type { Identity } from '../../auth/tokenVerifier.js';
import { Authority, type AuthorityParts } from '../../connections/lifecycle/authority.js';
import type { Connection } from '../../connections/lifecycle/connection.js';
import { textFrame } from '../../delivery/frames/frame.js';
import type { Clearance } from '../../delivery/selection/clearances.js';
import type { TypeSet } from '../../delivery/selection/typeSets.js';
import { AppError } from '../../util/appError.js';
import { STAY_AWAY } from './legacyCloseCodes.js';
import { LegacyConnection } from './legacyConnection.js';
import type { LegacyErrors } from './legacyErrors.js';
import { mayUse, permissionOf, typesOf } from './legacyGroups.js';

/** The error that a group's endpoint is closed to this user. */
export function closedToUser({ group }: LegacyConnection): AppError {
  const message = `The ${group} endpoint needs the permission ${permissionOf(group)}.`;
  return new AppError('PERMISSION_DENIED', message, { recoverable: false });
}

/** The authority over legacy connections: the same decisions as for all connections, within their group (G8). */
export class LegacyAuthority extends Authority {
  private readonly errors: LegacyErrors;
  private readonly note: (connection: LegacyConnection) => Promise<unknown>;

  /** @param note writes the connection's note again. */
  constructor(parts: AuthorityParts, errors: LegacyErrors, note: (connection: LegacyConnection) => Promise<unknown>) {
    super(parts);
    this.errors = errors;
    this.note = note;
  }

  override reevaluate(
    connection: Connection,
    reason: SubscriptionChangeReason,
    frames?: Map<string, Buffer>,
  ): readonly string[] {
    const gone = super.reevaluate(connection, reason, frames);
    if (connection instanceof LegacyConnection && !mayUse(connection.group, connection.clearance)) {
      this.errors.refuse(connection, closedToUser(connection), STAY_AWAY, 'permission withdrawn');
    }
    return gone;
  }

  protected override typesFor(connection: Connection, identity: Identity, clearance: Clearance): Iterable<string> {
    if (!(connection instanceof LegacyConnection)) return super.typesFor(connection, identity, clearance);
    return typesOf(connection.group, connection.asked, clearance, this.parts.catalogue());
  }

  /** The predecessor's clients know no patterns. */
  protected override tellsUnchanged(): boolean {
    return false;
  }

  protected override changeFrame(_connection: Connection, _before: TypeSet, after: TypeSet): Buffer {
    const timestamp = new Date(this.parts.clock.now()).toISOString();
    return textFrame(
      JSON.stringify({ type: 'subscription_updated', data: { subscribed_events: after.names }, timestamp }),
    );
  }

  /** The registry has only the note of a legacy connection. Before it is established, the note must not be written again. */
  protected override storeFacts(connection: Connection): void {
    if (!(connection instanceof LegacyConnection) || !connection.established || !connection.isOpen()) return;
    this.note(connection).catch((error: unknown) => this.parts.report(error, 'legacy.note'));
  }
}
