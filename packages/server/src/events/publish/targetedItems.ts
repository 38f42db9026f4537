import { partitionOf } from '../event/partitionOf.js';
import type { QueuedEvent } from '../queue/jobBatcher.js';

/** Targets of all events of one call: each is a mailbox to write to. */
export const MAX_PUBLISH_TARGETS = 10_000;

/** What of a queued event does not depend on its targets. */
export type TargetedDraft = Omit<QueuedEvent, 'orderingKey' | 'alsoOrders' | 'bytes'> & {
  /** Bytes of the event without its targets. */
  readonly bytes: number;
};

/**
 * The queue items of an event for `targets` (Q3). With an ordering key: one, in that key's partition. Without: one per partition of
 * the users, each with its users, so that the events of one user keep their order among each other, whoever else they are for.
 *
 * @param targets without repeats.
 * @param orderingKey null when the publisher gave none.
 * @param partitions 1 for an event of the urgent lane, which is one queue.
 */
export function targetedItems(
  draft: TargetedDraft,
  targets: readonly string[],
  orderingKey: string | null,
  partitions: number,
): [QueuedEvent, ...QueuedEvent[]] {
  const [only] = targets;
  if (orderingKey !== null) return [{ ...draft, ...forUsers(draft, targets), orderingKey }];
  if (targets.length === 1 && only !== undefined) return [{ ...draft, ...forUsers(draft, targets), orderingKey: only }];
  const byPartition = new Map<number, string[]>();
  for (const userId of targets) {
    const partition = partitionOf(userId, partitions);
    const users = byPartition.get(partition);
    if (users) users.push(userId);
    else byPartition.set(partition, [userId]);
  }
  const items = [...byPartition.values()].map((users) => {
    const item = { ...draft, ...forUsers(draft, users), orderingKey: users[0] as string };
    return users.length === 1 ? item : { ...item, alsoOrders: users };
  });
  return items as [QueuedEvent, ...QueuedEvent[]];
}

function forUsers({ event, bytes }: TargetedDraft, users: readonly string[]): Pick<QueuedEvent, 'event' | 'bytes'> {
  const targets = users.reduce((sum, userId) => sum + Buffer.byteLength(userId) + 3, 0);
  return { event: { ...event, target_user_ids: users }, bytes: bytes + targets };
}
