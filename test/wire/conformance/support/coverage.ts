import { Case } from './case.js';
import { EXTRAS, type Extra, given } from './target.js';

/**
 * What a test shows. Written as a literal without inner braces at each `covers(`: scripts/docs.mjs reads it there to say in
 * docs/PROTOCOL.md which test a message has.
 */
export interface Claim {
  /** Messages of the client. */
  readonly client?: readonly string[];
  /** Messages of the server. */
  readonly server?: readonly string[];
  /** Error codes, of messages or of problems. */
  readonly errors?: readonly string[];
  readonly closes?: readonly number[];
  /** As `GET /queue/jobs/:id`, below the base of the REST interface. */
  readonly routes?: readonly string[];
  /** Messages that the predecessor, its client or its documents knew, and this protocol does not. */
  readonly gone_client?: readonly string[];
  readonly gone_server?: readonly string[];
  /** Messages of the endpoints of the predecessor. */
  readonly legacy?: readonly string[];
  /** Extras without which the test is not registered. */
  readonly needs?: readonly Extra[];
}

const KINDS = ['client', 'server', 'errors', 'closes', 'routes'] as const;
export type Kind = (typeof KINDS)[number];

/** Long enough for a loaded machine and for a replacement; tests that have to wait for the server say so themselves. */
const TIMEOUT_MS = 20_000;

interface Left {
  readonly title: string;
  readonly missing: readonly Extra[];
}

/** What the tests of this run claim, and which were left out for lack of an extra. */
class Coverage {
  readonly left: Left[] = [];
  private readonly covered = new Set<string>();
  private readonly leftOut = new Map<string, Set<Extra>>();

  add(claim: Claim, title: string): boolean {
    const missing = (claim.needs ?? []).filter((extra) => given(extra) === null);
    if (missing.length > 0) this.left.push({ title, missing });
    for (const kind of KINDS) {
      for (const item of claim[kind] ?? []) this.note(`${kind} ${item}`, missing);
    }
    return missing.length === 0;
  }

  /** Undefined: no test claims it. Otherwise the extras for lack of which none was run; none: one was. */
  standing(kind: Kind, item: string | number): readonly Extra[] | undefined {
    const key = `${kind} ${item}`;
    if (this.covered.has(key)) return [];
    const extras = this.leftOut.get(key);
    return extras && [...extras];
  }

  private note(key: string, missing: readonly Extra[]): void {
    if (missing.length === 0) {
      this.covered.add(key);
      return;
    }
    const extras = this.leftOut.get(key) ?? new Set();
    for (const extra of missing) extras.add(extra);
    this.leftOut.set(key, extras);
  }
}

/** Filled while the test files are loaded, so that it does not matter which of them comes last. */
export const coverage = new Coverage();

/** A test of the suite. Not registered, and listed in the summary, when something that it needs is not given. */
export function covers(claim: Claim, title: string, body: (t: Case, claim: Claim) => Promise<void>): void {
  if (!coverage.add(claim, title)) return;
  it(title, async function () {
    this.timeout(TIMEOUT_MS);
    const t = new Case((ms) => this.timeout(TIMEOUT_MS + ms));
    try {
      await body(t, claim);
    } finally {
      await t.end();
    }
  });
}

/** For the summary: `not covered here: …, needs CONFORMANCE_JWT_SECRET (…)`. */
export function describeNeeds(extras: readonly Extra[]): string {
  return extras.map((extra) => `${EXTRAS[extra].env} (${EXTRAS[extra].meaning})`).join(' and ');
}
