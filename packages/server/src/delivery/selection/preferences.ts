import {
  DEFAULT_PREFERENCES,
  type MessagePreferences,
  PRIORITY_ORDER,
  type PreferenceChanges,
  preferenceChangesSchema,
} from '@unified-ws/protocol';
import type { EventCatalogue } from '../../events/catalogue/eventCatalogue.js';
import type { StoredEvent } from '../../events/event/storedEvent.js';
import { compileSchema, type Validator } from '../../util/compileSchema.js';
import type { TypeSet, TypeSets } from './typeSets.js';

/**
 * How a user wants to be served; never changed in place. Users without choices share `DEFAULT_PREFERENCES`, so that tens of
 * thousands of connections keep one object.
 */
export type Preferences = MessagePreferences;

/** Whether these are no preferences at all: nothing more needs to be looked at. */
function isDefault(preferences: Preferences): boolean {
  return preferences === DEFAULT_PREFERENCES;
}

/** What holds after a change. */
export function changed(preferences: Preferences, changes: PreferenceChanges): Preferences {
  const merged: MessagePreferences = {
    ...preferences,
    ...changes,
    muted_event_types: unique(changes.muted_event_types ?? preferences.muted_event_types),
    categories: unique(changes.categories ?? preferences.categories),
  };
  return JSON.stringify(merged) === JSON.stringify(DEFAULT_PREFERENCES) ? DEFAULT_PREFERENCES : merged;
}

function unique(names: readonly string[]): readonly string[] {
  return names.length === 0 ? DEFAULT_PREFERENCES.categories : [...new Set(names)];
}

/** A name in a change that leads nowhere. */
export interface UnknownName {
  /** JSON pointer into the changes. */
  readonly path: string;
  readonly message: string;
}

/**
 * Names of event types, categories and groups that the catalogue does not have: most likely misspelt, and the user would never
 * learn why nothing happens.
 */
export function unknownNames(changes: PreferenceChanges, catalogue: EventCatalogue): UnknownName[] {
  const faults: UnknownName[] = [];
  for (const [index, type] of (changes.muted_event_types ?? []).entries()) {
    if (catalogue.get(type)) continue;
    faults.push({ path: `/muted_event_types/${index}`, message: 'is not in the event catalogue' });
  }
  const known = changes.categories && changes.categories.length > 0 ? categoriesOf(catalogue) : new Set<string>();
  for (const [index, name] of (changes.categories ?? []).entries()) {
    if (known.has(name) || catalogue.groups.has(name)) continue;
    faults.push({ path: `/categories/${index}`, message: 'is no category or group of the event catalogue' });
  }
  return faults;
}

function categoriesOf(catalogue: EventCatalogue): Set<string> {
  return new Set(catalogue.types().map((type) => catalogue.get(type)?.category ?? ''));
}

/**
 * What is delivered: the subscriptions without muted types, within the chosen categories. Connections with the same result
 * share a cohort (L5). Names that a later catalogue has no more are passed over.
 */
export function deliveredTypes(
  types: TypeSet,
  preferences: Preferences,
  catalogue: EventCatalogue,
  typeSets: TypeSets,
): TypeSet {
  const { muted_event_types, categories } = preferences;
  if (muted_event_types.length === 0 && categories.length === 0) return types;
  const muted = new Set(muted_event_types);
  const chosen = new Set(categories.flatMap((name) => [name, ...(catalogue.groups.get(name) ?? [])]));
  return typeSets.of(
    types.names.filter((type) => {
      if (muted.has(type)) return false;
      return chosen.size === 0 || chosen.has(catalogue.get(type)?.category ?? '');
    }),
  );
}

/**
 * Whether a connection with these preferences is served by itself: its bytes, or their moment, differ from those of a cohort
 * (L5).
 */
export function needsIndividualDelivery(preferences: Preferences): boolean {
  if (isDefault(preferences)) return false;
  return !preferences.batch_messages || preferences.max_message_rate > 0 || preferences.priority_filter !== 'low';
}

/** Whether the event is important enough. */
export function passes(preferences: Preferences, event: Pick<StoredEvent, 'priority'>): boolean {
  return PRIORITY_ORDER[event.priority] >= PRIORITY_ORDER[preferences.priority_filter];
}

type Field = keyof MessagePreferences;

/** Reads and writes preferences as a Redis hash keeps them: field -> JSON. */
export class PreferenceFormat {
  private readonly validate: ReadonlyMap<string, Validator>;

  constructor() {
    const entries = Object.entries(preferenceChangesSchema.properties);
    this.validate = new Map(entries.map(([field, schema]) => [field, compileSchema(schema)]));
  }

  /**
   * @param saved flat array of field and value, as claim.lua returns it. What an older or newer version, or a hand, left in a
   *   form that is not understood counts as not chosen.
   */
  read(saved: readonly string[]): Preferences {
    if (saved.length === 0) return DEFAULT_PREFERENCES;
    const changes: Record<string, unknown> = {};
    for (let i = 0; i + 1 < saved.length; i += 2) {
      const field = saved[i] as string;
      const value = parsed(saved[i + 1] as string);
      if (this.validate.get(field)?.(value)) changes[field] = value;
    }
    return changed(DEFAULT_PREFERENCES, changes as PreferenceChanges);
  }

  /** Flat array of field and value. */
  write(changes: PreferenceChanges): string[] {
    return (Object.keys(changes) as Field[]).flatMap((field) => [field, JSON.stringify(changes[field])]);
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
