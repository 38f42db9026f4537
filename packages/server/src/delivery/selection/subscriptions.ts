import type { EventCatalogue } from '../../events/catalogue/eventCatalogue.js';
import type { RedisClient } from '../../redis/connect.js';
import type { Keys } from '../../redis/keys.js';
import type { Clearance } from './clearances.js';
import { save } from './save.js';

/** Whether a user of this clearance may subscribe to the type. False for an unknown type. */
export function maySubscribe(type: string, clearance: Clearance, catalogue: EventCatalogue): boolean {
  const definition = catalogue.get(type);
  return definition !== undefined && clearance.permissions.has(definition.permission);
}

/** What a user chose: `t:<type>` and `c:<category>`, true for subscribed, false for a dropped default. */
export type Choices = ReadonlyMap<string, boolean>;

/** Of a user who left everything at the defaults: most of them. */
export const NO_CHOICES: Choices = new Map();

/** @param saved flat array of field and value, as claim.lua returns it. */
export function choicesOf(saved: readonly string[]): Choices {
  if (saved.length === 0) return NO_CHOICES;
  const choices = new Map<string, boolean>();
  for (let i = 0; i + 1 < saved.length; i += 2) choices.set(saved[i] as string, saved[i + 1] !== '0');
  return choices;
}

/** A change of choices: null forgets one, so that the default holds. */
export type ChoiceChanges = ReadonlyMap<string, boolean | null>;

export function withChanges(choices: Choices, changes: ChoiceChanges): Choices {
  const changed = new Map(choices);
  for (const [field, value] of changes) {
    if (value === null) changed.delete(field);
    else changed.set(field, value);
  }
  return changed.size === 0 ? NO_CHOICES : changed;
}

/** The categories that were subscribed to and still exist; sorted. */
export function chosenCategories(choices: Choices, catalogue: EventCatalogue): string[] {
  const chosen: string[] = [];
  for (const [field, wanted] of choices) {
    if (!wanted || !field.startsWith('c:')) continue;
    const category = field.slice(2);
    if (catalogue.typesOf(category).length > 0) chosen.push(category);
  }
  return chosen.sort();
}

export interface Choosing {
  /** Those of the roles that are permitted. */
  readonly defaults: readonly string[];
  readonly clearance: Clearance;
  readonly catalogue: EventCatalogue;
  /** MAX_SUBSCRIPTIONS: what categories bring in excess of it is left out. */
  readonly limit: number;
}

/** What a user is subscribed to: the defaults, over them categories, over these single types, without what is not permitted. */
export function effectiveTypes(choices: Choices, { defaults, clearance, catalogue, limit }: Choosing): Set<string> {
  const types = new Set(defaults);
  const categories: string[] = [];
  for (const [field, wanted] of choices) {
    if (!field.startsWith('c:')) continue;
    const category = field.slice(2);
    if (wanted) categories.push(category);
    else for (const type of catalogue.typesOf(category)) types.delete(type);
  }
  for (const [field, wanted] of choices) {
    if (!field.startsWith('t:')) continue;
    const type = field.slice(2);
    if (!wanted) types.delete(type);
    else if (maySubscribe(type, clearance, catalogue)) types.add(type);
  }
  for (const category of categories) {
    for (const type of catalogue.typesOf(category)) {
      // A catalogue may have grown since the category was subscribed to.
      if (types.size >= limit) return types;
      if (choices.get(`t:${type}`) !== false && maySubscribe(type, clearance, catalogue)) types.add(type);
    }
  }
  return types;
}

/** The saved subscriptions of users in Redis. */
export class SavedSubscriptions {
  private readonly redis: RedisClient;
  private readonly keys: Keys;

  constructor(redis: RedisClient, keys: Keys) {
    this.redis = redis;
    this.keys = keys;
  }

  /** Stores changes. Idempotent. */
  async change(userId: string, changes: ChoiceChanges): Promise<void> {
    const set: string[] = [];
    const forget: string[] = [];
    for (const [field, value] of changes) {
      if (value === null) forget.push(field);
      else set.push(field, value ? '1' : '0');
    }
    await save(this.redis, this.keys.subs(userId), set, forget);
  }
}
