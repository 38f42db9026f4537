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

/**
 * The next attempt of a user in this profile, `<id>.<number>`. Call it under the lock alone: then the number grows whichever tab dials.
 * Null: the profile keeps nothing.
 */
export function nextAttemptOf(key: string): string | null {
  try {
    const [id = '', attempt = '0'] = (localStorage.getItem(key) ?? '').split('.');
    const next = `${id || crypto.randomUUID().replaceAll('-', '')}.${Number(attempt) + 1}`;
    localStorage.setItem(key, next);
    return next;
  } catch (error) {
    if (error instanceof DOMException) return null;
    throw error;
  }
}
