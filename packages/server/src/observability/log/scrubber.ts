const MASK = '[masked]';

/** Shorter secrets occur in ordinary words. Masking them would make the log unreadable, and such a secret protects nothing. */
const MIN_SECRET_LENGTH = 4;

/** Patterns of credentials from any source: a JSON Web Token, a bearer token, the password of a URL, a query with a token. */
const PATTERNS: readonly (readonly [hint: string, pattern: RegExp, replacement: string])[] = [
  ['eyJ', /\beyJ[\w-]{4,}\.[\w-]+(?:\.[\w-]*)?/g, MASK],
  ['earer', /\b(bearer(?: +|\.))[^\s"'\\,\]]+/gi, `$1${MASK}`],
  ['://', /(:\/\/[^\s/@:"]*):[^\s@"]+@/g, `$1:${MASK}@`],
  ['token=', /([?&]token=)[^\s&"\\]+/g, `$1${MASK}`],
];

/** Masks what must never be logged: the secrets in this node's settings, and everything that looks like a credential. */
export class Scrubber {
  private readonly all: readonly string[];
  private readonly inLines: readonly string[];

  /** @param secrets as in the settings. Each is masked as it is, URL-encoded, and JSON-escaped. */
  constructor(secrets: readonly string[]) {
    const forms = secrets.flatMap((secret) => [
      secret,
      encodeURIComponent(secret),
      JSON.stringify(secret).slice(1, -1),
    ]);
    // Longest first: if one secret contains another, none of its other characters may remain.
    this.all = [...new Set(forms)]
      .filter((form) => form.length >= MIN_SECRET_LENGTH)
      .sort((a, b) => b.length - a.length);
    // Masking digits in a line of JSON would produce an invalid number.
    this.inLines = this.all.filter((form) => !/^\d+$/.test(form));
  }

  /** A message or a stack. */
  text(text: string): string {
    return scrub(text, this.all);
  }

  /** A line of the log, JSON. */
  line(line: string): string {
    return scrub(line, this.inLines);
  }
}

function scrub(text: string, secrets: readonly string[]): string {
  let clean = text;
  for (const secret of secrets) if (clean.includes(secret)) clean = clean.replaceAll(secret, MASK);
  for (const [hint, pattern, replacement] of PATTERNS) {
    if (clean.includes(hint)) clean = clean.replace(pattern, replacement);
  }
  return clean;
}
