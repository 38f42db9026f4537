/**
 * What keeps this node from nothing, but must be known: told in `/readyz` and in `/health`, and never takes the node out of the
 * load balancer.
 */
export interface Notice {
  /** One sentence. The same on every node that notices the same, so that `/health` tells it once: no ages, no counts that tick. */
  readonly text: string;
  /** What it takes off the cluster's score of 100; of several the worst counts. */
  readonly penalty: number;
}

/** `mention`: the cluster is as healthy as without. */
export const PENALTY = { mention: 0, degraded: 20, unhealthy: 60 } as const;

/** Asked each time that somebody looks: answers at once, from what is known already. */
export type NoticeSource = () => readonly Notice[];

/** The notices of a node, by those who have them. */
export class Notices {
  private readonly sources: NoticeSource[] = [];

  add(source: NoticeSource): void {
    this.sources.push(source);
  }

  read(): readonly Notice[] {
    return this.sources.flatMap((source) => source());
  }
}
