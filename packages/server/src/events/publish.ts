import { type EventTypeDefinition, MAX_DELAY_MS, type PublishRequest, publishSchema } from '@unified-ws/protocol';
import { Ajv, type ValidateFunction } from 'ajv';
import type { Clock } from '../clock.js';
import { AppError } from '../errors.js';
import type { EventCatalogue } from './catalogue.js';
import {
  conflationKey,
  EPHEMERAL,
  type EphemeralEvent,
  type EphemeralSender,
  isEphemeral,
  notEphemeral,
} from './ephemeral.js';
import { type EventIds, PENDING_ID } from './eventId.js';
import type { QueuedEvent } from './job.js';
import type { BroadcastLog } from './log.js';
import type { EventQueues } from './queue.js';
import { deeperThan, jsonBytesAtMost, MAX_EVENT_BYTES, MAX_EVENT_DEPTH, type StoredEvent } from './storedEvent.js';
import { parseTime } from './time.js';

/** Who publishes: the user id decides what a given id means (L2). */
export interface PublishedBy {
  readonly userId: string;
  readonly permissions: ReadonlySet<string>;
}

export interface PublishReceipt {
  /** As it stands in the event. */
  readonly eventId: string;
  /** The queue that took the event; `ephemeral` when it went past the queues. */
  readonly queue: string;
  /** True: the id was known, nothing was added. */
  readonly duplicate: boolean;
}

/** A caller's place in the order of its calls. */
export interface PublishTurn {
  /** Resolves when the calls before have queued theirs, or failed. */
  readonly come: Promise<void>;
  readonly done: () => void;
}

export interface PublisherParts {
  /** The catalogue in force. */
  readonly catalogue: () => EventCatalogue;
  readonly queues: EventQueues;
  readonly log: BroadcastLog;
  readonly ephemeral: EphemeralSender;
  readonly ids: EventIds;
  readonly clock: Clock;
}

/** Events of one call. */
export const MAX_PUBLISH_EVENTS = 1000;

const PUBLISH_PERMISSIONS = ['events:publish', 'admin:broadcast'] as const;

interface Fault {
  readonly path: string;
  readonly message: string;
}

/** Takes events into the durable queue; ephemeral ones go straight to the nodes. */
export class Publisher {
  private readonly parts: PublisherParts;
  private readonly validate: ValidateFunction<PublishRequest>;

  constructor(parts: PublisherParts) {
    this.parts = parts;
    this.validate = new Ajv({ strict: false }).compile<PublishRequest>(publishSchema);
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
      const { items, repeats } = await this.admitted(request, by);
      // Whether an id is a repeat is asked of Redis: without the turn an event without one would overtake it.
      await turn?.come;
      const receipts = items.map(async (item) => {
        if (!isQueued(item)) return this.sendNow(item);
        const queue = this.parts.queues.laneOf(item).name;
        const duplicate = repeats.has(item) || (await this.parts.queues.add(item));
        return { eventId: item.event.id, queue, duplicate };
      });
      turn?.done();
      return await Promise.all(receipts);
    } finally {
      turn?.done();
    }
  }

  /** What is to be queued, once it was found good and there is room for it. */
  private async admitted(
    request: PublishRequest | readonly PublishRequest[],
    by: PublishedBy,
  ): Promise<{ readonly items: readonly Prepared[]; readonly repeats: ReadonlySet<QueuedEvent> }> {
    if (!PUBLISH_PERMISSIONS.some((permission) => by.permissions.has(permission))) {
      throw new AppError('PERMISSION_DENIED', 'publishing needs the permission events:publish');
    }
    const items = this.prepare(request, by);
    const durable = items.filter(isQueued);
    // Nothing that waits keeps an ephemeral event from being delivered.
    if (durable.length > 0) await this.parts.queues.admit();
    return { items, repeats: await this.repeats(durable) };
  }

  private async sendNow(item: EphemeralEvent): Promise<PublishReceipt> {
    try {
      await this.parts.ephemeral.send(item);
    } catch (error) {
      throw new AppError('UNAVAILABLE', 'the ephemeral event could not be sent', { cause: error });
    }
    return { eventId: item.event.id, queue: EPHEMERAL, duplicate: false };
  }

  private prepare(request: unknown, by: PublishedBy): Prepared[] {
    const many = Array.isArray(request);
    const requests: readonly unknown[] = many ? request : [request];
    if (requests.length === 0) throw invalid([{ path: '', message: 'must hold at least one event' }]);
    if (requests.length > MAX_PUBLISH_EVENTS) {
      throw invalid([{ path: '', message: `must hold at most ${MAX_PUBLISH_EVENTS} events` }]);
    }
    const faults: Fault[] = [];
    const items: Prepared[] = [];
    const call = Symbol('publish call');
    for (const [index, entry] of requests.entries()) {
      const made = this.prepareOne(entry, by, call);
      if ('event' in made) items.push(made);
      else faults.push(many ? { ...made, path: `/${index}${made.path}` } : made);
    }
    if (faults.length > 0) throw invalid(faults);
    return items;
  }

  private prepareOne(request: unknown, by: PublishedBy, call: symbol): Prepared | Fault {
    if (!this.validate(request)) return schemaFault(this.validate);
    const definition = this.parts.catalogue().get(request.event_type);
    if (!definition) return { path: '/event_type', message: 'is not in the event catalogue' };
    const ephemeral = isEphemeral(request, definition);
    const refused = ephemeral ? notEphemeral(request) : notYet(request);
    if (refused) return refused;
    const key = ephemeral ? conflationKey(request, definition) : undefined;
    if (typeof key === 'object') return key;
    const accepted = this.parts.clock.now();
    const times = readTimes(request, definition, accepted);
    if ('path' in times) return times;
    for (const field of ['data', 'metadata'] as const) {
      if (!deeperThan(request[field], MAX_EVENT_DEPTH)) continue;
      return { path: `/${field}`, message: `must not be nested deeper than ${MAX_EVENT_DEPTH} levels` };
    }
    const misfit = this.parts.catalogue().payloadFault(request.event_type, request.data);
    if (misfit) return misfit;
    const id = request.id === undefined ? this.newId(ephemeral) : this.parts.ids.given(by.userId, request.id);
    const event = storedEvent(request, definition, { id, accepted, expiresAt: times.expiresAt, key });
    // Exact only where it matters: the bound of most events is well below what is allowed.
    const atMost = jsonBytesAtMost(event);
    const bytes = atMost > MAX_EVENT_BYTES ? Buffer.byteLength(JSON.stringify(event)) : atMost;
    if (bytes > MAX_EVENT_BYTES) {
      return { path: '/data', message: `the event has ${bytes} bytes as JSON, allowed are ${MAX_EVENT_BYTES}` };
    }
    if (ephemeral) return { event, users: request.target_user_ids ?? null };
    return {
      event,
      bytes,
      publisher: by.userId,
      orderingKey: request.ordering_key ?? request.event_type,
      dueAt: times.dueAt,
      call: request.id === undefined ? null : call,
    };
  }

  /** Queued events get theirs from their job (PENDING_ID). */
  private newId(ephemeral: boolean): string {
    return ephemeral ? this.parts.ids.next() : PENDING_ID;
  }

  /** Events that need no queueing: appended before, or a repeat within the call. */
  private async repeats(items: readonly QueuedEvent[]): Promise<ReadonlySet<QueuedEvent>> {
    const repeats = new Set<QueuedEvent>();
    const given = new Map<string, QueuedEvent>();
    for (const item of items) {
      const { call, event } = item;
      if (call === null) continue;
      if (given.has(event.id)) repeats.add(item);
      else given.set(event.id, item);
    }
    if (given.size === 0) return repeats;
    try {
      const seen = await this.parts.log.seen([...given.keys()]);
      for (const [place, item] of [...given.values()].entries()) if (seen[place]) repeats.add(item);
    } catch (error) {
      throw new AppError('UNAVAILABLE', 'it cannot be told whether the event is a repeat', { cause: error });
    }
    return repeats;
  }
}

/** An event that passed validation, on its way into a queue or past them. */
type Prepared = QueuedEvent | EphemeralEvent;

function isQueued(item: Prepared): item is QueuedEvent {
  return 'orderingKey' in item;
}

function invalid(errors: readonly Fault[]): AppError {
  const [first] = errors;
  const shown = errors.slice(0, 20);
  const place = first?.path ? `${first.path} ` : '';
  return new AppError('VALIDATION_ERROR', `the event is not valid: ${place}${first?.message ?? ''}`, {
    details: { errors: shown },
  });
}

function schemaFault(validate: ValidateFunction): Fault {
  const [error] = validate.errors ?? [];
  const unknown: unknown = error?.params.additionalProperty;
  if (error === undefined) return { path: '', message: 'is not valid' };
  if (error.keyword === 'not')
    return { path: error.instancePath, message: 'must not have both delay_ms and deliver_at' };
  if (typeof unknown === 'string')
    return { path: `${error.instancePath}/${unknown}`, message: 'is not a known property' };
  return { path: error.instancePath, message: error.message ?? 'is not valid' };
}

function notYet(request: PublishRequest): Fault | null {
  if (request.target_user_ids !== undefined) {
    return { path: '/target_user_ids', message: 'targeted events are not available on this server version' };
  }
  return null;
}

interface Times {
  /** Wall-clock ms; null: at once. */
  readonly dueAt: number | null;
  readonly expiresAt: number | null;
}

function readTimes(request: PublishRequest, definition: EventTypeDefinition, accepted: number): Times | Fault {
  const { delay_ms, deliver_at, expires_at } = request;
  let dueAt = delay_ms ? accepted + delay_ms : null;
  if (deliver_at !== undefined) {
    dueAt = parseTime(deliver_at);
    if (dueAt === null) return { path: '/deliver_at', message: 'is not a time' };
    if (dueAt - accepted > MAX_DELAY_MS) return { path: '/deliver_at', message: 'is too far in the future' };
  }
  let expiresAt = definition.ttl_ms === undefined ? null : accepted + definition.ttl_ms;
  if (expires_at !== undefined) {
    expiresAt = parseTime(expires_at);
    if (expiresAt === null) return { path: '/expires_at', message: 'is not a time' };
  }
  return { dueAt, expiresAt };
}

function storedEvent(
  request: PublishRequest,
  definition: EventTypeDefinition,
  made: {
    readonly id: string;
    readonly accepted: number;
    readonly expiresAt: number | null;
    readonly key: string | undefined;
  },
): StoredEvent {
  const { metadata, roles, permission, exclude } = request;
  return {
    id: made.id,
    type: request.event_type,
    data: request.data,
    timestamp: new Date(made.accepted).toISOString(),
    priority: request.priority ?? definition.priority,
    category: definition.category,
    severity: request.severity ?? definition.severity,
    ...(metadata === undefined ? {} : { metadata }),
    ...(roles === undefined ? {} : { roles }),
    ...(permission === undefined ? {} : { permission }),
    ...(exclude === undefined || exclude.length === 0 ? {} : { exclude }),
    ...(made.key === undefined ? {} : { conflation_key: made.key }),
    ...(made.expiresAt === null ? {} : { expires_at: new Date(made.expiresAt).toISOString() }),
  };
}
