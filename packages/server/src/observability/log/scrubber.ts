const MASK = '[masked]';

/** A shorter secret stands in half the words of a log: masking it would hide the log, and nobody is kept out by it. */
const MIN_SECRET_LENGTH = 4;

/** What gives a credential away whoever made it: a JSON Web Token, a bearer, the password of a URL, a query that carries a token. */
const PATTERNS: readonly (readonly [hint: string, pattern: RegExp, replacement: string])[] = [
  ['eyJ', /\beyJ[\w-]{4,}\.[\w-]+(?:\.[\w-]*)?/g, MASK],
  ['earer', /\b(bearer(?: +|\.))[^\s"'\\,\]]+/gi, `$1${MASK}`],
  ['://', /(:\/\/[^\s/@:"]*):[^\s@"]+@/g, `$1:${MASK}@`],
  ['token=', /([?&]token=)[^\s&"\\]+/g, `$1${MASK}`],
];

/** Takes out of a text what must never stand in a log: the secrets of this node's settings, and what looks like a credential. */
export class Scrubber {
  private readonly all: readonly string[];
  private readonly inLines: readonly string[];

  /** @param secrets as the settings hold them; each is known as it is, in a URL, and in JSON. */
  constructor(secrets: readonly string[]) {
    const forms = secrets.flatMap((secret) => [
      secret,
      encodeURIComponent(secret),
      JSON.stringify(secret).slice(1, -1),
    ]);
    // Longest first: of a secret that holds another one no rest may stay.
    this.all = [...new Set(forms)]
      .filter((form) => form.length >= MIN_SECRET_LENGTH)
      .sort((a, b) => b.length - a.length);
    // Masked in a line of JSON, digits alone would leave a number that is none.
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
