/**
 * Where an issuer writes the claims that we need. A place is the name of a claim, or a path into nested ones (`realm_access.roles`). A claim of
 * exactly that name takes precedence: `https://example.com/roles` contains dots and is one name.
 */
export interface ClaimNames {
  readonly user: string;
  readonly username: string;
  /** Several places: the names at all of them count. */
  readonly roles: readonly string[];
  readonly permissions: readonly string[];
  readonly session: string;
}

/** The places in our own tokens. */
export const DEFAULT_CLAIM_NAMES: ClaimNames = Object.freeze({
  user: 'sub',
  username: 'username',
  roles: Object.freeze(['roles']),
  permissions: Object.freeze(['permissions']),
  session: 'sid',
});

type Nested = Readonly<Record<string, unknown>>;

/**
 * The value at a place; null when there is none. At each level the longest existing name is tried first, so a client of
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

/** Whether a text at this place separates names by blanks. */
export function isListedText(path: string): boolean {
  return /(?:^|[./])(?:scope|scp)$/.test(path);
}
