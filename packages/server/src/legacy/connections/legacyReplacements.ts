import type { NodeParts } from '../../admin/nodeParts.js';
import { REPLACED, REPLACED_REASON, STAY_AWAY } from './legacyCloseCodes.js';
import type { LegacyParts } from './legacyParts.js';
import type { ConnectionLocation, Registration } from './legacyRegistry.js';

/** After this many quick replacements in a row the replaced client is told to stay away (F15). Otherwise two old clients replace each other for ever. */
const MAX_ROW = 3;
/** If an order is lost, the sweep of the other node makes up for it. */
const TIMEOUT_MS = 1000;
const REPLACE = 'legacy.replace';

interface ReplaceData {
  readonly conn: string;
  readonly code: number;
}

type LegacyReplacementsParts = Pick<LegacyParts, 'table' | 'legacyRegistry' | 'counts'> &
  Pick<NodeParts, 'commands' | 'failureDetector' | 'report'>;

/** The newest connection of a user and group ends the earlier ones, on any node. */
export class LegacyReplacements {
  private readonly parts: LegacyReplacementsParts;

  constructor(parts: LegacyReplacementsParts) {
    this.parts = parts;
    parts.commands.handle(REPLACE, (data) => this.end(data as ReplaceData));
  }

  /** Best effort; waits for nothing. */
  replace(userId: string, { replaced, row }: Registration): void {
    const code = row > MAX_ROW ? STAY_AWAY : REPLACED;
    for (const where of replaced) {
      this.one(userId, where, code).catch((error: unknown) => this.parts.report(error, 'legacy.replace'));
    }
  }

  private async one(userId: string, { conn, lease }: ConnectionLocation, code: number): Promise<void> {
    const { commands, failureDetector, legacyRegistry } = this.parts;
    const data: ReplaceData = { conn, code };
    // Otherwise the note of a dead node, or of a node that could not remove it, would be asked for ever.
    const isGone =
      failureDetector.isDead(lease) || (await commands.request(lease, REPLACE, data, TIMEOUT_MS)) === false;
    if (isGone) await legacyRegistry.forget(userId, conn);
  }

  private end({ conn, code }: ReplaceData): boolean {
    const connection = this.parts.table.get(conn);
    if (!connection) return false;
    this.parts.counts.replaced += 1;
    connection.endWith(code, REPLACED_REASON);
    return true;
  }
}
