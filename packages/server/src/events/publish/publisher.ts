import type { PublishRequest } from '@unified-ws/protocol';
import { AppError } from '../../util/appError.js';
import { payloadDigest } from '../event/rememberedId.js';
import type { BroadcastLog } from '../log/broadcastLog.js';
import type { Mailboxes } from '../mailbox/mailboxes.js';
import type { EventQueues } from '../queue/eventQueues.js';
import { EPHEMERAL, type EphemeralEvent, type EphemeralSender } from './ephemeralSender.js';
import {
  type DurableEvent,
  isDurable,
  type PreparedEvent,
  Preparer,
  type PreparerParts,
  type PublishedBy,
} from './preparer.js';

export type { PublishedBy } from './preparer.js';

export interface PublishReceipt {
  /** As it stands in the event. */
  readonly eventId: string;
  /**
   * The queue that took the event; several, joined by commas, when its target users are spread over them (Q3); `ephemeral` when it
   * went past the queues.
   */
  readonly queue: string;
  /** RFC 3339; as it stands in the event. */
  readonly acceptedAt: string;
  /** True: the id was known, nothing was added. */
  readonly duplicate: boolean;
  /** True: a duplicate whose payload is another than that which came first under the id. */
  readonly payloadDiffers: boolean;
}

/** A caller's place in the order of its calls. */
export interface PublishTurn {
  /** Resolves when the calls before have queued theirs, or failed. */
  readonly come: Promise<void>;
  /** The caller's connection has ended: what has not been queued by then is not. */
  readonly isOver: () => boolean;
  readonly done: () => void;
}

export interface PublisherParts extends PreparerParts {
  readonly queues: EventQueues;
  readonly log: BroadcastLog;
  readonly mailboxes: Pick<Mailboxes, 'digests'>;
  readonly ephemeral: EphemeralSender;
}

/** A durable event on its way into Redis. */
interface Queued {
  readonly eventId: string;
  readonly queue: string;
  readonly acceptedAt: string;
  /** Whether they were there already; none: the event is a repeat. Events that share a job share its promise. */
  readonly jobs: readonly Promise<boolean>[];
  readonly event: DurableEvent;
  /** Of a repeat that was not queued. */
  readonly differs: boolean;
}

/** Repeats within a call, and of what was appended before: whether the payload is another. */
type Repeats = ReadonlyMap<DurableEvent, boolean>;

/** Takes events into the durable queue; ephemeral ones go straight to the nodes. */
export class Publisher {
  private readonly parts: PublisherParts;
  private readonly preparer: Preparer;

  constructor(parts: PublisherParts) {
    this.parts = parts;
    this.preparer = new Preparer(parts);
  }

  /**
   * Publishes one event or several, in order per ordering key. Everything is validated before the first is queued.
   * Resolves when Redis has confirmed them all: from then on they survive the death of every node, but for ephemeral ones,
   * which then are on their way to whoever is connected.
   *
   * @param turn for callers whose events are to be queued in the order of their calls, though these overlap.
   * @throws AppError PERMISSION_DENIED, VALIDATION_ERROR (`details.errors` [{path, message}]; nothing was queued),
   *   RATE_LIMITED (`details.retry_after_ms`; nothing was queued), or UNAVAILABLE: Redis did not confirm in time, and
   *   some may be queued. A repeat with the same ids queues what is missing.
   */
  async publish(
    request: PublishRequest | readonly PublishRequest[],
    by: PublishedBy,
    turn?: PublishTurn,
  ): Promise<PublishReceipt[]> {
    try {
      const { events, repeats } = await this.admitted(request, by);
      // Whether an id is a repeat is asked of Redis: without the turn an event without one would overtake it.
      await turn?.come;
      if (turn?.isOver()) throw new AppError('UNAVAILABLE', 'the connection has ended: the event was not queued');
      const begun = events.map((event) => (isDurable(event) ? this.queue(event, repeats) : this.sendNow(event)));
      turn?.done();
      return await this.check(await receiptsOf(begun), begun);
    } finally {
      turn?.done();
    }
  }

  /** What is to be queued, once it was found good and there is room for it. */
  private async admitted(
    request: PublishRequest | readonly PublishRequest[],
    by: PublishedBy,
  ): Promise<{ readonly events: readonly PreparedEvent[]; readonly repeats: Repeats }> {
    const events = this.preparer.prepare(request, by);
    const durable = events.filter(isDurable);
    // Nothing that waits keeps an ephemeral event from being delivered.
    if (durable.length > 0) await this.parts.queues.admit(durable.flatMap(({ items }) => items));
    return { events, repeats: await this.repeats(durable) };
  }

  /** Begins in this turn, so that the order of the call is the order in each queue. */
  private queue(event: DurableEvent, repeats: Repeats): Queued {
    const { queues } = this.parts;
    const { items } = event;
    const queue = items.map((item) => queues.laneOf(item).name).join();
    const jobs = repeats.has(event) ? [] : items.map((item) => queues.add(item));
    const { id: eventId, timestamp: acceptedAt } = items[0].event;
    return { eventId, queue, acceptedAt, jobs, event, differs: repeats.get(event) ?? false };
  }

  private async sendNow(item: EphemeralEvent): Promise<PublishReceipt> {
    try {
      await this.parts.ephemeral.send(item);
    } catch (error) {
      throw new AppError('UNAVAILABLE', 'the ephemeral event could not be sent', { cause: error });
    }
    const { id: eventId, timestamp: acceptedAt } = item.event;
    return { eventId, queue: EPHEMERAL, acceptedAt, duplicate: false, payloadDiffers: false };
  }

  /** Events that need no queueing: appended before, or a repeat within the call. */
  private async repeats(events: readonly DurableEvent[]): Promise<Repeats> {
    const repeats = new Map<DurableEvent, boolean>();
    const given = new Map<string, DurableEvent>();
    for (const event of events) {
      if (!event.given) continue;
      const first = given.get(event.id);
      if (first) repeats.set(event, digestOf(event) !== digestOf(first));
      else given.set(event.id, event);
    }
    if (given.size === 0) return repeats;
    try {
      const firsts = [...given.values()];
      const digests = await this.digests(firsts);
      for (const [place, event] of firsts.entries()) {
        const known = digests[place] ?? [];
        const own = digestOf(event);
        const differs = known.some((digest) => digest !== null && digest !== '' && digest !== own);
        // One that reached some of its mailboxes under another payload must not reach the others under this one.
        if (differs || known.every((digest) => digest !== null)) repeats.set(event, differs);
      }
    } catch (error) {
      throw new AppError('UNAVAILABLE', 'it cannot be told whether the event is a repeat', { cause: error });
    }
    return repeats;
  }

  /** Per event the digests of what was appended under its id, for a targeted one of each of its mailboxes; null: nothing was. */
  private async digests(events: readonly DurableEvent[]): Promise<(string | null)[][]> {
    const { log, mailboxes } = this.parts;
    const found = new Map(events.map(({ id }) => [id, [] as (string | null)[]]));
    const broadcast = events.filter(({ targets }) => targets === null).map(({ id }) => id);
    const byUser = new Map<string, string[]>();
    for (const { id, targets } of events) {
      for (const userId of targets ?? []) byUser.set(userId, [...(byUser.get(userId) ?? []), id]);
    }
    const look = async (ids: readonly string[], answer: Promise<readonly (string | null)[]>): Promise<void> => {
      const digests = await answer;
      for (const [place, id] of ids.entries()) found.get(id)?.push(digests[place] ?? null);
    };
    await Promise.all([
      look(broadcast, log.digests(broadcast)),
      ...[...byUser].map(([userId, ids]) => look(ids, mailboxes.digests(userId, ids))),
    ]);
    return events.map(({ id }) => found.get(id) ?? []);
  }

  /** A repeat of what still waits: its payload is compared with that of the job. */
  private async check(
    receipts: readonly PublishReceipt[],
    begun: readonly (Queued | Promise<PublishReceipt>)[],
  ): Promise<PublishReceipt[]> {
    return Promise.all(
      receipts.map(async (receipt, place) => {
        const one = begun[place];
        if (one === undefined || one instanceof Promise || !receipt.duplicate) return receipt;
        if (one.differs || one.jobs.length === 0) return { ...receipt, payloadDiffers: one.differs };
        return { ...receipt, payloadDiffers: await this.differsFromJob(one.event) };
      }),
    );
  }

  private async differsFromJob(event: DurableEvent): Promise<boolean> {
    const { queues } = this.parts;
    try {
      const stored = await Promise.all(event.items.map((item) => queues.laneOf(item).lookup.stored(event.id)));
      return stored.some((first) => first !== null && payloadDigest(first) !== digestOf(event));
    } catch (error) {
      throw new AppError('UNAVAILABLE', 'it cannot be told whether the event is a repeat', { cause: error });
    }
  }
}

function digestOf({ items }: DurableEvent): string {
  return payloadDigest(items[0].event);
}

/** Waits once for each job, not for each event: promises were a good part of what an event of a batch costs. */
async function receiptsOf(begun: readonly (Queued | Promise<PublishReceipt>)[]): Promise<PublishReceipt[]> {
  const existed = new Map<Promise<boolean>, boolean>();
  const sent = new Map<Promise<PublishReceipt>, PublishReceipt>();
  for (const one of begun) {
    if (one instanceof Promise) sent.set(one, NOT_YET);
    else for (const job of one.jobs) existed.set(job, false);
  }
  await Promise.all([
    ...[...existed.keys()].map(async (job) => existed.set(job, await job)),
    ...[...sent.keys()].map(async (one) => sent.set(one, await one)),
  ]);
  return begun.map((one) => {
    if (one instanceof Promise) return sent.get(one) ?? NOT_YET;
    const duplicate = one.jobs.every((job) => existed.get(job) === true);
    const { eventId, queue, acceptedAt } = one;
    return { eventId, queue, acceptedAt, duplicate, payloadDiffers: false };
  });
}

const NOT_YET: PublishReceipt = { eventId: '', queue: '', acceptedAt: '', duplicate: false, payloadDiffers: false };
