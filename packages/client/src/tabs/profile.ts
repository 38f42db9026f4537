/** The user of a token, by its claim `sub`; null: the token is no JWT. It is not verified: it only keeps users apart. */
export function userOf(token: string): string | null {
  try {
    const bytes = atob((token.split('.')[1] ?? '').replaceAll('-', '+').replaceAll('_', '/'));
    const { sub } = JSON.parse(bytes) as { readonly sub?: unknown };
    return typeof sub === 'string' ? sub : null;
  } catch (error) {
    // atob throws a DOMException, JSON.parse a SyntaxError.
    if (error instanceof DOMException || error instanceof SyntaxError) return null;
    throw error;
  }
}

/** What the profile keeps, or what `change` makes of it. A profile that keeps nothing has null. */
function stored(key: string, change?: string): string | null {
  try {
    if (change) localStorage.setItem(key, change);
    return localStorage.getItem(key);
  } catch (error) {
    if (error instanceof DOMException) return null;
    throw error;
  }
}

/**
 * The next attempt of a user in this profile, `<id>.<number>`. Call it under the lock alone: then the number grows whichever tab dials.
 *
 * @param told the last attempt that the tabs told each other: what another tab has just stored may not be seen yet.
 */
export function nextAttempt(key: string, told: string | null): string {
  const kept = stored(key);
  const [id = ''] = (told ?? kept ?? crypto.randomUUID().replaceAll('-', '')).split('.');
  const [most = 0] = [told, kept].map((attempt) => Number(attempt?.split('.')[1] ?? 0)).sort((a, b) => b - a);
  const next = `${id}.${most + 1}`;
  stored(key, next);
  return next;
}
