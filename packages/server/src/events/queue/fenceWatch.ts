import type { Clock } from '../../util/clock.js';

export interface FenceWatchParts {
  /** Whether this node may append to the log: it is not fenced. */
  readonly mayAppend: () => boolean;
  /** Its workers leave the jobs to others from now on, or take jobs again. */
  readonly move: (aside: boolean) => void;
  readonly clock: Pick<Clock, 'mono'>;
}

const LOOK_MS = 250;
/** A short fence is waited out; after this the jobs are left to other nodes. */
const PATIENCE_MS = 2000;

/** Makes the workers of a node stand aside while it is fenced for long. */
export class FenceWatch {
  private readonly parts: FenceWatchParts;
  private timer: NodeJS.Timeout | null = null;
  private fencedSince: number | null = null;
  private aside = false;

  constructor(parts: FenceWatchParts) {
    this.parts = parts;
  }

  get standsAside(): boolean {
    return this.aside;
  }

  start(): void {
    this.timer ??= setInterval(() => this.look(), LOOK_MS);
  }

  stop(): void {
    if (this.timer) clearInterval(this.timer);
    this.timer = null;
  }

  private look(): void {
    const { mayAppend, move, clock } = this.parts;
    const now = clock.mono();
    this.fencedSince = mayAppend() ? null : (this.fencedSince ?? now);
    const aside = this.fencedSince !== null && now - this.fencedSince >= PATIENCE_MS;
    if (aside === this.aside) return;
    this.aside = aside;
    move(aside);
  }
}
