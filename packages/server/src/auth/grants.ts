import type { RoleTable } from './roleTable.js';

/** What somebody has. */
export interface Holder {
  readonly roles: ReadonlySet<string>;
  readonly permissions: ReadonlySet<string>;
}

/** What is to be given. */
export interface Grant {
  readonly roles?: readonly string[];
  readonly permissions?: readonly string[];
}

/**
 * What of a grant the giver has not got himself: nobody gives more than he has, also not to himself. Of a role count its permissions. A
 * role or a permission that neither the product nor the catalogue knows opens what a publisher limits to it, now or after the next
 * reload: it is given by who has it, or by who has all that is known.
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

/** The permissions that make somebody an admin. */
export function adminPermissions(permissions: Iterable<string>): readonly string[] {
  return [...permissions].filter((permission) => permission.startsWith('admin:'));
}
