/**
 * Where an issuer writes what we need. A place is the name of a claim, or a path into nested ones (`realm_access.roles`). A claim of
 * exactly that name wins: `https://example.com/roles` holds dots and is one name.
 */
export interface ClaimNames {
  readonly user: string;
  readonly username: string;
  /** Several places: what stands at any of them counts. */
  readonly roles: readonly string[];
  readonly permissions: readonly string[];
  readonly session: string;
}

/** Those of our own tokens. */
export const DEFAULT_CLAIM_NAMES: ClaimNames = Object.freeze({
  user: 'sub',
  username: 'username',
  roles: Object.freeze(['roles']),
  permissions: Object.freeze(['permissions']),
  session: 'sid',
});

type Nested = Readonly<Record<string, unknown>>;

/**
 * What stands at a place; null when there is nothing. At each level the longest name that is there goes first, so a client of
 * Keycloak may be called `com.example.app` (`resource_access.com.example.app.roles`).
 */
export function claimAt(claims: Nested, path: string): unknown {
  if (Object.hasOwn(claims, path)) return claims[path] ?? null;
  for (let dot = path.lastIndexOf('.'); dot > 0; dot = path.lastIndexOf('.', dot - 1)) {
    const head = path.slice(0, dot);
    const inner = Object.hasOwn(claims, head) ? claims[head] : null;
    if (typeof inner !== 'object' || inner === null) continue;
    const found = claimAt(inner as Nested, path.slice(dot + 1));
    if (found !== null) return found;
  }
  return null;
}

/** Whether a text at this place lists names between blanks. */
export function isListedText(path: string): boolean {
  return /(?:^|[./])(?:scope|scp)$/.test(path);
}
