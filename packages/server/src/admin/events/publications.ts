import type { PublishRequest } from '@unified-ws/protocol';
import { publishPermission } from '../../events/catalogue/eventCatalogue.js';
import type { PublishReceipt, PublishTurn } from '../../events/publish/publisher.js';
import type { Actor } from '../audit/audit.js';
import type { NodeParts } from '../nodeParts.js';

/** Characters of the data that the audit record keeps; the event holds all of it. */
const AUDITED_LENGTH = 200;

/** The publisher. */
export interface Author {
  readonly actor: Actor;
  /** From the token. */
  readonly username: string;
}

/**
 * Publishing, for every transport. What only admins may publish is an admin's order and is recorded, as an announcement is, also
 * when it is published as an ordinary event.
 */
export class Publications {
  constructor(private readonly parts: Pick<NodeParts, 'publisher' | 'catalogue' | 'audit' | 'counts'>) {}

  /** As `Publisher.publish`. @param reason for the audit record. */
  async publish(
    request: PublishRequest | readonly PublishRequest[],
    { actor, username }: Author,
    turn?: PublishTurn,
    reason?: string,
  ): Promise<PublishReceipt[]> {
    const { publisher, audit, counts } = this.parts;
    const by = { userId: actor.userId, username, permissions: actor.permissions };
    const publish = async (): Promise<PublishReceipt[]> => {
      const receipts = await publisher.publish(request, by, turn);
      for (const receipt of receipts) counts.published(receipt);
      return receipts;
    };
    const [first, ...others] = this.ordersIn(request, actor);
    if (!first) return publish();
    const type = first.event_type;
    const order = {
      action: 'broadcast',
      target: first.target_user_ids === undefined ? 'everybody' : `${first.target_user_ids.length} users`,
      reason,
      details: { event_type: type, events: others.length + 1 },
      content: { data: JSON.stringify(first.data).slice(0, AUDITED_LENGTH) },
    };
    return audit.order(actor, order, async () => {
      const receipts = await publish();
      return [
        receipts,
        receipts
          .map(({ eventId }) => eventId)
          .join(' ')
          .slice(0, AUDITED_LENGTH),
      ];
    });
  }

  /** The events that need an admin permission. Invalid events are refused later, by the publisher. */
  private ordersIn(request: PublishRequest | readonly PublishRequest[], actor: Actor): readonly PublishRequest[] {
    const events: readonly unknown[] = Array.isArray(request) ? request : [request];
    const catalogue = this.parts.catalogue();
    return events.filter((event): event is PublishRequest => {
      if (!isEvent(event)) return false;
      const definition = catalogue.get(event.event_type);
      const permission = definition ? publishPermission(definition) : '';
      return permission.startsWith('admin:') && actor.permissions.has(permission);
    });
  }
}

function isEvent(event: unknown): event is PublishRequest {
  if (typeof event !== 'object' || event === null) return false;
  const { event_type, data, target_user_ids } = event as Partial<Record<keyof PublishRequest, unknown>>;
  const isFor = target_user_ids === undefined || Array.isArray(target_user_ids);
  return typeof event_type === 'string' && typeof data === 'object' && data !== null && isFor;
}
