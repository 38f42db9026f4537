import type { EventQueues } from '@unified-ws/server/events/queue/eventQueues';
import type { QueuedEvent } from '@unified-ws/server/events/queue/jobBatcher';

export interface FillJob {
  readonly type: string;
  /** Number of events that share the job. Default 1. */
  readonly events?: number;
  readonly key?: string;
  readonly data?: Readonly<Record<string, unknown>>;
  /** Wall-clock ms. Default: at once. */
  readonly dueAt?: number;
}

/** Jobs added at once: few enough to be answered within the command time-out of a test, even on a busy machine. */
const AT_ONCE = 250;

/**
 * Puts jobs into the queues as a node does, also of unknown types, which no node would accept from a publisher. The ids of their events are
 * `<name>-<index>`, followed by `-<n>` in a shared job.
 */
export async function fillQueues(
  queues: EventQueues,
  name: string,
  count: number,
  job: (index: number) => FillJob,
): Promise<void> {
  for (let from = 0; from < count; from += AT_ONCE) {
    const added: Promise<boolean>[] = [];
    for (let index = from; index < Math.min(count, from + AT_ONCE); index += 1) {
      added.push(...items(`${name}-${index}`, job(index)).map((item) => queues.add(item)));
    }
    await Promise.all(added);
  }
}

/** The events of one call share a job. */
function items(id: string, { type, events = 1, key = type, data = {}, dueAt }: FillJob): QueuedEvent[] {
  const call = Symbol(id);
  return Array.from({ length: events }, (_, n) => ({
    event: {
      id: events === 1 ? id : `${id}-${n}`,
      type,
      data,
      timestamp: new Date().toISOString(),
      priority: 'normal' as const,
      category: 'dns',
      severity: 'info' as const,
    },
    bytes: 300,
    publisher: 'service-1',
    orderingKey: key,
    dueAt: dueAt ?? null,
    call,
  }));
}
