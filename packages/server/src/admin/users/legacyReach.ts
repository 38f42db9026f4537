/** What became of a user's legacy connections when they were to end. */
export interface LegacyEnded {
  /** How many were ended, on any node. */
  readonly closed: number;
  /** The node of one of them; null: none was ended. */
  readonly nodeId: string | null;
  /** A node that has, or had, one and did not answer; null: all did. It ends it when it is back. */
  readonly silent: string | null;
}

/** What became of a user's legacy connections when they were looked at anew. */
export interface LegacyReviewed {
  /** The node of one that stays; null: none. */
  readonly appliedOn: string | null;
  /** The node of one that was ended; null: none. */
  readonly endedOn: string | null;
  /** As in LegacyEnded. */
  readonly silent: string | null;
}

/** The legacy connections of a user, on whatever nodes they are. No registry knows them, so orders have to reach them by this way too. */
export interface LegacyReach {
  /** Where they are, and what makes their user an admin. @throws when Redis does not answer. */
  noted(
    userId: string,
  ): Promise<readonly { readonly conn: string; readonly lease: string; readonly admin: readonly string[] }[]>;
  /**
   * @param code of this protocol.
   * @param deadline monotonic ms; the answer comes by then.
   * @throws when Redis does not answer.
   */
  end(userId: string, code: number, reason: string, deadline: number): Promise<LegacyEnded>;
  /** Reads at once what Redis holds of the user's tokens. As `end`. */
  review(userId: string, deadline: number): Promise<LegacyReviewed>;
}
