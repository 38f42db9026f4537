import type { TokenVerifier } from '../../auth/tokenVerifier.js';
import { AppError } from '../../util/appError.js';
import type { ConnectionTable } from '../lifecycle/connectionTable.js';

/** Of MAX_CONNECTIONS, for those that come in the place of another: the replaced socket lingers until its close is answered. */
const SHARE = 0.1;

/**
 * Who may enter a node that is full: a user whose connection here the new one replaces. Refused, he would be offline while the
 * place that is his is held by a socket that he has given up (F29 of the predecessor).
 */
export class ReplacementAllowance {
  private readonly verifier: TokenVerifier;
  private readonly table: Pick<ConnectionTable, 'ofUser'>;

  constructor(verifier: TokenVerifier, table: Pick<ConnectionTable, 'ofUser'>) {
    this.verifier = verifier;
    this.table = table;
  }

  /** How many sockets there may be with those that replace, for so many without. */
  static bound(maxConnections: number): number {
    return maxConnections + Math.max(1, Math.ceil(maxConnections * SHARE));
  }

  /** Whether a connection with this token takes the place of one that is here. */
  replaces(token: string | null): boolean {
    if (token === null) return false;
    try {
      const verified = this.verifier.verify(token);
      if (verified instanceof Promise) {
        // While a key set is fetched nobody can tell; a full node waits for nobody.
        verified.catch(ignoreLateFault);
        return false;
      }
      // A second one at the same time would be one too many: the first is replacing already.
      return this.table.ofUser(verified.userId).length === 1;
    } catch (error) {
      if (error instanceof AppError) return false;
      throw error;
    }
  }
}

/** The client is told of the full node, and its token is checked when it comes again. */
function ignoreLateFault(): void {
  return;
}
