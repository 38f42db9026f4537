/** What the roll-out says of a user, and whether it is enforced: then the other endpoint is closed to him. */
export interface RolloutDecision {
  readonly endpoint: 'legacy' | 'unified';
  readonly reason: string;
  readonly enforced: boolean;
}

/** Who decides which endpoint a user is to use. */
export interface RolloutSource {
  decide(userId: string): RolloutDecision;
  /** The listener is called when decisions may have changed. */
  onChange(listener: () => void): void;
}

/** Whether the legacy endpoints are closed to a user. */
export function isClosed({ endpoint, enforced }: RolloutDecision): boolean {
  return endpoint === 'unified' && enforced;
}
