import type { ProcessorParts } from './jobProcessor.js';

const LOOK_MS = 250;
/** A short fence is waited out; after this the jobs are left to other nodes. */
const PATIENCE_MS = 2000;

/** Stops the workers of a node while the node is fenced for long. */
export class FenceWatch {
  private readonly parts: Pick<ProcessorParts, 'mayAppend' | 'clock'>;
  private readonly move: (aside: boolean) => void;
  private timer: NodeJS.Timeout | null = null;
  private fencedSince: number | null = null;
  private aside = false;

  /** @param move makes this node's workers leave the jobs to others from now on, or take jobs again. */
  constructor(parts: Pick<ProcessorParts, 'mayAppend' | 'clock'>, move: (aside: boolean) => void) {
    this.parts = parts;
    this.move = move;
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
    const { mayAppend, clock } = this.parts;
    const now = clock.mono();
    this.fencedSince = mayAppend() ? null : (this.fencedSince ?? now);
    const aside = this.fencedSince !== null && now - this.fencedSince >= PATIENCE_MS;
    if (aside === this.aside) return;
    this.aside = aside;
    this.move(aside);
  }
}
