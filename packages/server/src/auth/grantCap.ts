/** Refused names kept per token, for the log. */
const MAX_KEPT = 16;

const ROLE = 'role:';

/**
 * The most that an issuer's tokens may grant. An item is a permission (`events:publish`), a role (`role:viewer`, with all that the
 * catalogue gives it), either with a final `*` for all names with that prefix, or `*` for everything. What a token asks for beyond the cap is
 * left out; everything else is granted.
 */
export class GrantCap {
  private readonly allowsRole: (name: string) => boolean;
  private readonly allowsPermission: (name: string) => boolean;

  constructor(items: readonly string[]) {
    const all = items.includes('*');
    this.allowsRole = matcher(
      items.filter((item) => item.startsWith(ROLE)).map((item) => item.slice(ROLE.length)),
      all,
    );
    this.allowsPermission = matcher(
      items.filter((item) => !item.startsWith(ROLE)),
      all,
    );
  }

  roles(asked: readonly string[]): readonly string[] {
    return kept(asked, this.allowsRole);
  }

  permissions(asked: readonly string[]): readonly string[] {
    return kept(asked, this.allowsPermission);
  }

  /** The first few names that were left out. */
  refused(roles: readonly string[], permissions: readonly string[]): readonly string[] {
    const left = [
      ...roles.filter((name) => !this.allowsRole(name)).map((name) => ROLE + name),
      ...permissions.filter((name) => !this.allowsPermission(name)),
    ];
    return left.slice(0, MAX_KEPT);
  }
}

function kept(asked: readonly string[], allows: (name: string) => boolean): readonly string[] {
  return asked.every(allows) ? asked : asked.filter(allows);
}

function matcher(items: readonly string[], all: boolean): (name: string) => boolean {
  if (all) return () => true;
  const names = new Set(items.filter((item) => !item.endsWith('*')));
  const heads = items.filter((item) => item.endsWith('*')).map((item) => item.slice(0, -1));
  return (name) => names.has(name) || heads.some((head) => name.startsWith(head));
}
