import type { EventTypeDefinition } from '@unified-ws/protocol';
import type { StoredEvent } from '../../events/event/storedEvent.js';

/** What a user may see. Interned: all connections of the same roles and permissions share one object. */
export interface Clearance {
  readonly id: number;
  readonly roles: ReadonlySet<string>;
  readonly permissions: ReadonlySet<string>;
}

/** Distinct clearances kept; beyond it the map starts anew, and equal clearances may then be two objects, which is harmless. */
const MAX_INTERNED = 10_000;

export class Clearances {
  private readonly interned = new Map<string, Clearance>();
  private next = 1;

  of(roles: readonly string[], permissions: ReadonlySet<string>): Clearance {
    const key = JSON.stringify([[...new Set(roles)].sort(), [...permissions].sort()]);
    let clearance = this.interned.get(key);
    if (!clearance) {
      if (this.interned.size >= MAX_INTERNED) this.interned.clear();
      clearance = { id: this.next++, roles: new Set(roles), permissions };
      this.interned.set(key, clearance);
    }
    return clearance;
  }
}

type Grants = Pick<Clearance, 'roles' | 'permissions'>;
/** What of an event decides who may see it. */
type Limits = Pick<Partial<StoredEvent>, 'permission' | 'roles' | 'exclude'>;

/**
 * Whether users of this clearance may see the event: the type's permission and what the publisher limited it to. Deny by default (G8).
 * For one particular user: `maySee`.
 */
export function admits(clearance: Grants, event: Limits, definition: EventTypeDefinition): boolean {
  if (!clearance.permissions.has(definition.permission)) return false;
  if (event.permission !== undefined && !clearance.permissions.has(event.permission)) return false;
  return event.roles === undefined || event.roles.some((role) => clearance.roles.has(role));
}

/**
 * Whether a user may see the event, by any route: a connection, a look into a mailbox or into the queue. The fan-out
 * asks the two halves apart: `admits` once per cohort, `exclude` per member.
 */
export function maySee(
  who: { readonly userId: string; readonly clearance: Grants },
  event: Limits,
  definition: EventTypeDefinition,
): boolean {
  return admits(who.clearance, event, definition) && !event.exclude?.includes(who.userId);
}

/** Names of the fields that this clearance may not see; the same array for the same set, so it can be a cache key. */
export function hiddenFields(clearance: Pick<Clearance, 'permissions'>, definition: EventTypeDefinition): string {
  const fields = definition.sensitive_fields;
  if (fields === undefined) return '';
  let hidden = '';
  for (const [field, permission] of Object.entries(fields)) {
    if (!clearance.permissions.has(permission)) hidden += `${field.toLowerCase()}\n`;
  }
  return hidden;
}

/**
 * The data without the hidden fields, at any depth, whatever their case. What is emptied by it stays empty: the
 * predecessor took an emptied object for "unfiltered" and sent it whole.
 *
 * @param hidden as `hiddenFields` gives it.
 */
export function withoutFields(data: unknown, hidden: string): unknown {
  if (hidden === '') return data;
  // Each name ends with a line feed: what follows the last one is none.
  return strip(data, new Set(hidden.split('\n').slice(0, -1)));
}

function strip(value: unknown, hidden: ReadonlySet<string>): unknown {
  if (Array.isArray(value)) return value.map((inner) => strip(inner, hidden));
  if (typeof value !== 'object' || value === null) return value;
  const kept: [string, unknown][] = [];
  for (const [key, inner] of Object.entries(value)) {
    if (!hidden.has(key.toLowerCase())) kept.push([key, strip(inner, hidden)]);
  }
  // fromEntries defines own properties, so a key `__proto__` stays data.
  return Object.fromEntries(kept);
}
