import {
  type EventTypeDefinition,
  MAX_DELAY_MS,
  MAX_PUBLISH_EVENTS,
  type PublishRequest,
  publishSchema,
} from '@unified-ws/protocol';
import type { Core } from '../../core.js';
import { AppError } from '../../util/appError.js';
import { compileSchema, type Validator } from '../../util/compileSchema.js';
import { parseTime } from '../../util/parseTime.js';
import { type EventCatalogue, publishPermission } from '../catalogue/eventCatalogue.js';
import { type EventIds, PENDING_ID } from '../event/eventIds.js';
import {
  deeperThan,
  isUserId,
  jsonBytesAtMost,
  MAX_EVENT_BYTES,
  MAX_EVENT_DEPTH,
  type StoredEvent,
} from '../event/storedEvent.js';
import type { EventQueues } from '../queue/eventQueues.js';
import type { QueuedEvent } from '../queue/jobBatcher.js';
import { conflationKey, type EphemeralEvent, type Fault, isEphemeral, notEphemeral } from './ephemeralSender.js';
import { MAX_PUBLISH_TARGETS, targetedItems } from './targetedItems.js';

/** An event that is good to be queued. */
export interface DurableEvent {
  /** Pending when the event gets one with its job. */
  readonly id: string;
  /** Whether the id follows from one of the publisher's own. */
  readonly given: boolean;
  /** Null: for everybody. */
  readonly targets: readonly string[] | null;
  /** One, unless the targets are spread over several queues. */
  readonly items: readonly [QueuedEvent, ...QueuedEvent[]];
}

/** An event that passed validation, on its way into the queues or past them. */
export type PreparedEvent = DurableEvent | EphemeralEvent;

export function isDurable(event: PreparedEvent): event is DurableEvent {
  return 'items' in event;
}

/** Who publishes: the user id decides what a given id means (L2). */
export interface PublishedBy {
  readonly userId: string;
  /** As the token says; default: the user id. What the server vouches for in an event. */
  readonly username?: string;
  readonly permissions: ReadonlySet<string>;
}

export interface PreparerParts extends Pick<Core, 'clock'> {
  /** The catalogue in force. */
  readonly catalogue: () => EventCatalogue;
  readonly queues: Pick<EventQueues, 'isUrgent' | 'partitionCount'>;
  readonly ids: EventIds;
}

/** Checks what publishers hand in, and makes of it what is stored. Nothing is sent from here. */
export class Preparer {
  private readonly parts: PreparerParts;
  private readonly validate: Validator<PublishRequest>;

  constructor(parts: PreparerParts) {
    this.parts = parts;
    this.validate = compileSchema<PublishRequest>(publishSchema);
  }

  /**
   * @throws AppError VALIDATION_ERROR with `details.errors` [{path, message}] of every event that is not good; PERMISSION_DENIED for the
   *   first that he may not publish.
   */
  prepare(request: unknown, by: PublishedBy): PreparedEvent[] {
    const many = Array.isArray(request);
    const requests: readonly unknown[] = many ? request : [request];
    if (requests.length === 0) throw invalid([{ path: '', message: 'must hold at least one event' }]);
    if (requests.length > MAX_PUBLISH_EVENTS) {
      throw invalid([{ path: '', message: `must hold at most ${MAX_PUBLISH_EVENTS} events` }]);
    }
    const faults: Fault[] = [];
    const events: PreparedEvent[] = [];
    let targets = 0;
    const call = Symbol('publish call');
    for (const [index, entry] of requests.entries()) {
      const made = this.one(entry, by, call);
      if ('message' in made) {
        faults.push(many ? { ...made, path: `/${index}${made.path}` } : made);
        continue;
      }
      events.push(made);
      targets += (isDurable(made) ? made.targets : made.users)?.length ?? 0;
    }
    if (targets > MAX_PUBLISH_TARGETS) {
      faults.push({ path: '', message: `must have at most ${MAX_PUBLISH_TARGETS} target users in all` });
    }
    if (faults.length > 0) throw invalid(faults);
    return events;
  }

  private one(given: unknown, by: PublishedBy, call: symbol): PreparedEvent | Fault {
    if (!this.validate(given)) return schemaFault(this.validate);
    const definition = this.parts.catalogue().get(given.event_type);
    if (!definition) return { path: '/event_type', message: 'is not in the event catalogue' };
    requirePermission(given.event_type, definition, by);
    const accepted = this.parts.clock.now();
    const request = vouchedFor(given, definition, by, accepted);
    const ephemeral = isEphemeral(request, definition);
    const refused = ephemeral ? notEphemeral(request) : null;
    if (refused) return refused;
    const key = ephemeral ? conflationKey(request, definition) : undefined;
    if (typeof key === 'object') return key;
    const times = readTimes(request, definition, accepted);
    if ('path' in times) return times;
    for (const field of ['data', 'metadata'] as const) {
      if (!deeperThan(request[field], MAX_EVENT_DEPTH)) continue;
      return { path: `/${field}`, message: `must not be nested deeper than ${MAX_EVENT_DEPTH} levels` };
    }
    const wrong = request.target_user_ids?.findIndex((userId) => !isUserId(userId)) ?? -1;
    if (wrong >= 0) return { path: `/target_user_ids/${wrong}`, message: 'is not a user id of 1 to 128 bytes' };
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
    const users = request.target_user_ids === undefined ? null : [...new Set(request.target_user_ids)];
    if (ephemeral) return { event, users };
    const hasId = request.id !== undefined;
    const draft = { event, bytes, publisher: by.userId, dueAt: times.dueAt, call: hasId ? call : null };
    const orderingKey = request.ordering_key ?? null;
    if (users === null) {
      return { id, given: hasId, targets: null, items: [{ ...draft, orderingKey: orderingKey ?? request.event_type }] };
    }
    const { queues, ids } = this.parts;
    const partitions = queues.isUrgent(event) ? 1 : queues.partitionCount;
    const items = targetedItems(draft, users, orderingKey, partitions);
    // In all queues it is one event: its id cannot wait for a job.
    const own = items.length > 1 && !hasId ? ids.nextJob() : null;
    if (own !== null) for (const item of items) item.event.id = own;
    return { id: own ?? id, given: hasId, targets: users, items };
  }

  /** Queued events get theirs from their job (PENDING_ID). */
  private newId(ephemeral: boolean): string {
    return ephemeral ? this.parts.ids.next() : PENDING_ID;
  }
}

function requirePermission(type: string, definition: EventTypeDefinition, by: PublishedBy): void {
  const permission = publishPermission(definition);
  if (by.permissions.has(permission)) return;
  throw new AppError('PERMISSION_DENIED', `Publishing ${type} needs the permission ${permission}.`, {
    details: { permission, event_type: type },
  });
}

/** What the server vouches for is what the server knows, whatever the publisher said. */
function vouchedFor(
  request: PublishRequest,
  { server_fields }: EventTypeDefinition,
  { userId, username = userId }: PublishedBy,
  accepted: number,
): PublishRequest {
  if (server_fields === undefined) return request;
  const values = { publisher: username, publisher_id: userId, accepted_at: new Date(accepted).toISOString() };
  const filled = Object.entries(server_fields).map(([field, value]) => [field, values[value]]);
  return { ...request, data: { ...request.data, ...Object.fromEntries(filled) } };
}

function invalid(errors: readonly Fault[]): AppError {
  const [first] = errors;
  const shown = errors.slice(0, 20);
  const place = first?.path ? `${first.path} ` : '';
  return new AppError('VALIDATION_ERROR', `the event is not valid: ${place}${first?.message ?? ''}`, {
    details: { errors: shown },
  });
}

function schemaFault(validate: Validator): Fault {
  const [error] = validate.errors ?? [];
  const unknown: unknown = error?.params.additionalProperty;
  if (error === undefined) return { path: '', message: 'is not valid' };
  if (error.keyword === 'not')
    return { path: error.instancePath, message: 'must not have both delay_ms and deliver_at' };
  if (typeof unknown === 'string')
    return { path: `${error.instancePath}/${unknown}`, message: 'is not a known property' };
  return { path: error.instancePath, message: error.message ?? 'is not valid' };
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
