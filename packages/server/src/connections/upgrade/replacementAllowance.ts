import type { TokenVerifier } from '../../auth/tokenVerifier.js';
import { AppError } from '../../util/appError.js';
import type { ConnectionTable } from '../lifecycle/connectionTable.js';

/** Share of MAX_CONNECTIONS for replacing connections: the replaced socket stays until its close is answered. */
const SHARE = 0.1;

/**
 * Who may enter a full node: a user whose new connection replaces one on this node. Otherwise the user would be offline while a socket
 * that the user has given up keeps the place (F29 of the predecessor).
 */
export class ReplacementAllowance {
  private readonly verifier: TokenVerifier;
  private readonly table: Pick<ConnectionTable, 'ofUser'>;

  constructor(verifier: TokenVerifier, table: Pick<ConnectionTable, 'ofUser'>) {
    this.verifier = verifier;
    this.table = table;
  }

  /** Maximum number of sockets including the replacing ones. */
  static bound(maxConnections: number): number {
    return maxConnections + Math.max(1, Math.ceil(maxConnections * SHARE));
  }

  /** Whether a connection with this token replaces one on this node. */
  replaces(token: string | null): boolean {
    if (token === null) return false;
    try {
      const verified = this.verifier.verify(token);
      if (verified instanceof Promise) {
        // The key set is being fetched, so the token cannot be checked now; a full node does not wait.
        verified.catch(ignoreLateFault);
        return false;
      }
      // Only one: if there are two, a replacement is already in progress.
      return this.table.ofUser(verified.userId).length === 1;
    } catch (error) {
      if (error instanceof AppError) return false;
      throw error;
    }
  }
}

/** The client is told that the node is full. Its token is checked when it comes again. */
function ignoreLateFault(): void {
  return;
}
