import { type Catalogue, impliedPermissions, type Permission, permissions } from '@unified-ws/protocol';
import type { Identity } from './claims.js';

type Roles = Pick<Identity, 'roles'>;
type Grants = Pick<Identity, 'roles' | 'permissions'>;

/** Combinations kept at most; a cluster has a handful, and a hostile issuer must not make the server keep more. */
const MAX_KEPT = 1000;

/**
 * The permissions of roles, by the catalogue. Deny by default: an unknown role gives nothing.
 *
 * Equal permissions are one Set object, whichever roles they come from: thousands of connections share it, and comparing
 * by identity is fast. (Beyond MAX_KEPT combinations the oldest is dropped; then equal sets may be two objects.)
 */
export class RoleTable {
  /** Every permission that the product or the catalogue requires or gives. */
  readonly known: ReadonlySet<string>;
  readonly #permissions = new Map<string, readonly string[]>();
  readonly #defaults = new Map<string, readonly string[]>();
  readonly #needed = new Map<string, string>();
  readonly #byGrants = new Map<string, ReadonlySet<string>>();
  readonly #interned = new Map<string, ReadonlySet<string>>();
  readonly #subscriptions = new Map<string, readonly string[]>();

  constructor(catalogue: Catalogue) {
    // Maps, never the catalogue's plain objects: a role named `constructor` would find an inherited property.
    const roles = Object.entries(catalogue.roles);
    const isFromBefore = !roles.some(([, role]) => role.permissions.includes(LATER));
    for (const [role, definition] of roles) {
      const own = definition.permissions;
      const isAll = EVERYTHING_BEFORE.every((permission) => own.includes(permission));
      this.#permissions.set(role, isFromBefore && isAll ? [...own, LATER] : own);
      this.#defaults.set(role, definition.default_subscriptions);
    }
    for (const [type, definition] of Object.entries(catalogue.event_types))
      this.#needed.set(type, definition.permission);
    this.known = new Set([...Object.keys(permissions), ...named(catalogue)]);
  }

  isRole(name: string): boolean {
    return this.#permissions.has(name);
  }

  /** The permissions of all its roles and the token's own. */
  permissionsOf(identity: Grants): ReadonlySet<string> {
    // JSON, not joined text: a role may contain any character, and `a,b` must not equal `a` and `b`.
    return kept(this.#byGrants, JSON.stringify([identity.roles, identity.permissions]), () => {
      const granted = identity.roles.flatMap((role) => this.#permissions.get(role) ?? []);
      const given = [...granted, ...identity.permissions];
      const implied = given.flatMap((permission) => IMPLIED.get(permission) ?? []);
      const all = [...new Set([...given, ...implied])].sort();
      return kept(this.#interned, JSON.stringify(all), () => new Set(all));
    });
  }

  /** The event types that its roles subscribe to by default, only those that `permissions` allow; in the catalogue's order. */
  defaultSubscriptions(identity: Roles, permissions: ReadonlySet<string>): readonly string[] {
    return kept(this.#subscriptions, JSON.stringify([identity.roles, [...permissions]]), () => {
      const wanted = new Set(identity.roles.flatMap((role) => this.#defaults.get(role) ?? []));
      return Object.freeze(
        [...wanted].filter((type) => {
          const needed = this.#needed.get(type);
          return needed !== undefined && permissions.has(needed);
        }),
      );
    });
  }
}

/**
 * A catalogue that gives this permission to no role is older than the permission: `admin:disconnect` stood for it. A role that had all
 * permissions then gets this one too; every other role needs it by name.
 */
const LATER: Permission = 'admin:permissions';
const EVERYTHING_BEFORE: readonly Permission[] = [
  'events:receive',
  'events:admin',
  'events:sensitive',
  'events:publish',
  'admin:stats',
  'admin:connections',
  'admin:disconnect',
  'admin:broadcast',
  'admin:queue',
  'admin:queue_write',
  'admin:cluster',
  'admin:audit',
];

const IMPLIED: ReadonlyMap<string, readonly string[]> = new Map(Object.entries(impliedPermissions));

/** Every permission in the catalogue. */
function named({ event_types, roles }: Catalogue): readonly string[] {
  const ofTypes = Object.values(event_types).flatMap(({ permission, publish_permission, sensitive_fields = {} }) => [
    permission,
    ...(publish_permission === undefined ? [] : [publish_permission]),
    ...Object.values(sensitive_fields),
  ]);
  return [...ofTypes, ...Object.values(roles).flatMap((role) => role.permissions)];
}

function kept<V>(cache: Map<string, V>, key: string, make: () => V): V {
  const known = cache.get(key);
  if (known !== undefined) return known;
  const value = make();
  if (cache.size >= MAX_KEPT) {
    const oldest = cache.keys().next();
    if (!oldest.done) cache.delete(oldest.value);
  }
  cache.set(key, value);
  return value;
}
