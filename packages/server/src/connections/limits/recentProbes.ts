import type { Clock } from '../../util/clock.js';

/** How long a probe's answer is reused, ms. */
const FRESH_MS = 1000;
/** While a new answer is being made, which may take as long as the processes of a port wait for each other, the old one is used, ms. */
const RENEWAL_MS = 5000;

interface Recent {
  status: number;
  body: string;
  at: number;
  askedAt: number;
}

/**
 * The last answers to probes of balancers and orchestrators. A probe above the limit of its address gets one of these instead of a refusal.
 * It costs as little, and other requests from the balancer's address must not take the node out of service.
 */
export class RecentProbes {
  private readonly clock: Pick<Clock, 'mono'>;
  private readonly answers: ReadonlyMap<string, Recent>;

  constructor(clock: Pick<Clock, 'mono'>, paths: readonly string[]) {
    this.clock = clock;
    const never = Number.NEGATIVE_INFINITY;
    this.answers = new Map(paths.map((path) => [path, { status: 0, body: '', at: never, askedAt: never }]));
  }

  has(path: string): boolean {
    return this.answers.has(path);
  }

  note(path: string, status: number, body: unknown): void {
    const recent = this.answers.get(path);
    if (recent) Object.assign(recent, { status, body: JSON.stringify(body), at: this.clock.mono() });
  }

  /** Null: there is no recent answer, so the probe must be answered in full. */
  find(path: string): { readonly status: number; readonly body: string } | null {
    const recent = this.answers.get(path);
    if (recent === undefined) return null;
    const now = this.clock.mono();
    if (now - recent.at <= FRESH_MS) return recent;
    if (recent.status !== 0 && now - recent.askedAt <= RENEWAL_MS) return recent;
    recent.askedAt = now;
    return null;
  }
}
