/**
 * A condition that operators must know but that does not stop this node. `/readyz` and `/health` show it; the node stays in the
 * load balancer.
 */
export interface Notice {
  /** One sentence, the same on every node with the same condition, so that `/health` shows it once: no ages, no running counts. */
  readonly text: string;
  /** Deducted from the cluster's score of 100. Of several notices the largest penalty counts. */
  readonly penalty: number;
}

/** `mention`: the score stays the same. */
export const PENALTY = { mention: 0, degraded: 20, unhealthy: 60 } as const;

/** Called for each report. Must answer at once, from what is already known. */
export type NoticeSource = () => readonly Notice[];

/** The notices of a node, by source. */
export class Notices {
  private readonly sources: NoticeSource[] = [];

  add(source: NoticeSource): void {
    this.sources.push(source);
  }

  read(): readonly Notice[] {
    return this.sources.flatMap((source) => source());
  }
}
