import type { Commands } from '../../bus/commands.js';
import type { Report } from '../../observability/log/logger.js';
import type { FailureDetector } from '../../registry/nodes/failureDetector.js';
import { REPLACED, REPLACED_REASON, STAY_AWAY } from './legacyCloseCodes.js';
import type { LegacyCounts } from './legacyCounts.js';
import type { ConnectionLocation, LegacyRegistry, Registration } from './legacyRegistry.js';
import type { LegacyTable } from './legacyTable.js';

/** Of a user's group so often in a row, and whoever is replaced is told to stay away (F15): two old clients take turns for ever else. */
const MAX_ROW = 3;
/** A lost order is made good by the sweep of the other node. */
const TIMEOUT_MS = 1000;
const REPLACE = 'legacy.replace';

interface ReplaceData {
  readonly conn: string;
  readonly code: number;
}

export interface LegacyReplacementsParts {
  readonly commands: Commands;
  readonly failureDetector: FailureDetector;
  readonly table: LegacyTable;
  readonly legacyRegistry: LegacyRegistry;
  readonly counts: LegacyCounts;
  readonly report: Report;
}

/** The newest connection of a user and group ends those before it, on whatever node they are. */
export class LegacyReplacements {
  private readonly parts: LegacyReplacementsParts;

  constructor(parts: LegacyReplacementsParts) {
    this.parts = parts;
    parts.commands.handle(REPLACE, (data) => this.end(data as ReplaceData));
  }

  /** Best effort: waits for nobody. */
  replace(userId: string, { replaced, row }: Registration): void {
    const code = row > MAX_ROW ? STAY_AWAY : REPLACED;
    for (const where of replaced) {
      this.one(userId, where, code).catch((error: unknown) => this.parts.report(error, 'legacy.replace'));
    }
  }

  private async one(userId: string, { conn, lease }: ConnectionLocation, code: number): Promise<void> {
    const { commands, failureDetector, legacyRegistry } = this.parts;
    const data: ReplaceData = { conn, code };
    // What a dead node left behind, or a node that could not take its note back, would be asked for ever.
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
