import type { Catalogue } from '@unified-ws/protocol';

const receive = { priority: 'normal', severity: 'info', permission: 'events:receive' } as const;
const admin = { ...receive, permission: 'events:admin' } as const;

/** Few types, so that commands meet each other; `mark` is left alone by all of them. */
export const CATALOGUE: Catalogue = {
  version: 1,
  event_types: {
    a1: { category: 'a', ...receive },
    a2: { category: 'a', ...receive },
    b1: { category: 'b', ...receive },
    b2: { category: 'b', ...admin },
    c1: { category: 'c', ...admin },
    c2: { category: 'c', ...receive, delivery: 'ephemeral' },
    mark: { category: 'm', ...receive },
  },
  roles: {
    user: { permissions: ['events:receive'], default_subscriptions: ['a1', 'b1', 'mark'] },
    viewer: { permissions: ['events:receive'], default_subscriptions: ['a2', 'c2', 'mark'] },
    chief: { permissions: ['events:receive', 'events:admin'], default_subscriptions: ['a1', 'c1', 'mark'] },
    admin: {
      permissions: ['events:receive', 'events:admin', 'events:publish', 'admin:permissions'],
      default_subscriptions: ['mark'],
    },
  },
  // `b` is a category and a group; a name of either is taken.
  groups: { ab: ['a', 'b'], b: ['c'] },
};

export const TYPES = Object.keys(CATALOGUE.event_types);
export const FUZZED_TYPES = TYPES.filter((type) => type !== 'mark');
export const ROLES = ['user', 'viewer', 'chief'] as const;

export interface Grants {
  readonly roles?: readonly string[];
  readonly permissions?: readonly string[];
}

interface TypeError {
  readonly event_type: string;
  readonly error: string;
}

interface CategoryError {
  readonly category: string;
  readonly event_type?: string;
  readonly error: string;
}

/**
 * What a user is subscribed to, as docs/PROTOCOL.md has it. A choice is of a type or of a category, for or against; over the
 * defaults of the roles lie the categories, over these the types; permission is asked last.
 */
export class SubscriptionModel {
  /** Of the token. */
  roles: readonly string[];
  private amendment: Grants = {};
  private readonly types = new Map<string, boolean>();
  private readonly categories = new Map<string, boolean>();
  private muted: readonly string[] = [];
  private wanted: readonly string[] = [];

  constructor(roles: readonly string[]) {
    this.roles = roles;
  }

  /** What connection_established, replies and reports list. */
  get subscriptions(): string[] {
    return TYPES.filter((type) => this.permits(type) && this.chosen(type)).sort();
  }

  /** What arrives. */
  get delivered(): string[] {
    const within = new Set(this.wanted.flatMap((name) => [...categoriesOf(name)]));
    return this.subscriptions.filter(
      (type) => !this.muted.includes(type) && (this.wanted.length === 0 || within.has(categoryOf(type))),
    );
  }

  get subscribedCategories(): string[] {
    return [...this.categories].flatMap(([name, wanted]) => (wanted ? [name] : [])).sort();
  }

  subscribe(names: readonly string[]): TypeError[] {
    const errors: TypeError[] = [];
    for (const type of new Set(names)) {
      if (!TYPES.includes(type)) errors.push({ event_type: type, error: 'unknown_event_type' });
      else if (!this.permits(type)) errors.push({ event_type: type, error: 'permission_denied' });
      else if (!this.chosen(type)) this.types.set(type, true);
    }
    return errors;
  }

  unsubscribe(names: readonly string[]): TypeError[] {
    const errors: TypeError[] = [];
    const before = this.subscriptions;
    for (const type of new Set(names)) {
      if (!TYPES.includes(type)) errors.push({ event_type: type, error: 'unknown_event_type' });
      if (!before.includes(type)) continue;
      // To forget it is enough where nothing else would bring it.
      if (this.isDefault(type) || this.categories.get(categoryOf(type)) === true) this.types.set(type, false);
      else this.types.delete(type);
    }
    return errors;
  }

  subscribeCategories(names: readonly string[]): CategoryError[] {
    const errors: CategoryError[] = [];
    for (const category of this.expanded(names, errors)) {
      const members = typesOf(category);
      for (const event_type of members) {
        if (!this.permits(event_type)) errors.push({ category, event_type, error: 'permission_denied' });
      }
      // A repeat does not bring back what was dropped since.
      if (!members.some((type) => this.permits(type)) || this.categories.get(category) === true) continue;
      this.categories.set(category, true);
      for (const type of members) if (this.types.get(type) === false) this.types.delete(type);
    }
    return errors;
  }

  unsubscribeCategories(names: readonly string[]): CategoryError[] {
    const errors: CategoryError[] = [];
    for (const category of this.expanded(names, errors)) {
      const members = typesOf(category);
      if (members.some((type) => this.isDefault(type))) this.categories.set(category, false);
      else this.categories.delete(category);
      for (const type of members) this.types.delete(type);
    }
    return errors;
  }

  /** permissions-changed: field by field, the last order wins, over the token. */
  amend(grants: Grants): void {
    this.amendment = { ...this.amendment, ...grants };
  }

  mute(types: readonly string[]): void {
    this.muted = types;
  }

  /** Empty: all. */
  want(categories: readonly string[]): void {
    this.wanted = categories;
  }

  permits(type: string): boolean {
    const own = this.amendment.permissions ?? [];
    const needed = CATALOGUE.event_types[type]?.permission ?? '';
    return own.includes(needed) || this.activeRoles.some((role) => CATALOGUE.roles[role]?.permissions.includes(needed));
  }

  private get activeRoles(): readonly string[] {
    return this.amendment.roles ?? this.roles;
  }

  private isDefault(type: string): boolean {
    return (
      this.permits(type) && this.activeRoles.some((role) => CATALOGUE.roles[role]?.default_subscriptions.includes(type))
    );
  }

  private chosen(type: string): boolean {
    const own = this.types.get(type) ?? this.categories.get(categoryOf(type));
    return own ?? this.isDefault(type);
  }

  private expanded(names: readonly string[], errors: CategoryError[]): Set<string> {
    for (const name of new Set(names)) {
      if (categoriesOf(name).size === 0) errors.push({ category: name, error: 'unknown_category' });
    }
    return new Set(names.flatMap((name) => [...categoriesOf(name)]));
  }
}

function typesOf(category: string): string[] {
  return TYPES.filter((type) => categoryOf(type) === category);
}

function categoryOf(type: string): string {
  return CATALOGUE.event_types[type]?.category ?? '';
}

/** Of a category, of a group, or of both. */
function categoriesOf(name: string): Set<string> {
  return new Set([...(typesOf(name).length > 0 ? [name] : []), ...(CATALOGUE.groups[name] ?? [])]);
}
