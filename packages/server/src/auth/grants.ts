import type { RoleTable } from './roleTable.js';

/** The roles and permissions that somebody has. */
export interface Holder {
  readonly roles: ReadonlySet<string>;
  readonly permissions: ReadonlySet<string>;
}

/** The roles and permissions to be given. */
export interface Grant {
  readonly roles?: readonly string[];
  readonly permissions?: readonly string[];
}

/**
 * The part of a grant that the giver lacks: no one may give more than they have, not even to themselves. A role counts as its permissions. A
 * role or permission that neither the product nor the catalogue knows opens whatever a publisher limits to it, now or after the next
 * reload: only a giver who has it, or who has all known permissions, may give it.
 */
export function beyond(giver: Holder, { roles = [], permissions = [] }: Grant, table: RoleTable): readonly string[] {
  const granted = table.permissionsOf({ roles, permissions });
  const hasAll = [...table.known].every((permission) => giver.permissions.has(permission));
  const lacking = [...granted].filter((permission) => {
    return !giver.permissions.has(permission) && (table.known.has(permission) || !hasAll);
  });
  const strange = roles.filter((role) => !table.isRole(role) && !giver.roles.has(role) && !hasAll);
  return [...lacking, ...strange];
}

/** The permissions that make a user an admin. */
export function adminPermissions(permissions: Iterable<string>): readonly string[] {
  return [...permissions].filter((permission) => permission.startsWith('admin:'));
}
