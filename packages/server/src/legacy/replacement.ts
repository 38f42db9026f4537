import type { Commands } from '../bus/commands.js';
import { REPLACED, REPLACED_REASON, STAY_AWAY } from './closeCodes.js';
import type { LegacyCounts } from './counts.js';
import type { Taken } from './notes.js';
import type { LegacyTable } from './table.js';

/** Of a user's group so often in a row, and whoever is replaced is told to stay away (F15): two old clients take turns for ever else. */
const MAX_ROW = 3;
/** The answer of the other node is not waited for: a lost order is made good by its sweep. */
const TIMEOUT_MS = 1000;
const REPLACE = 'legacy.replace';

interface ReplaceData {
  readonly conn: string;
  readonly code: number;
}

export interface ReplacementsParts {
  readonly commands: Commands;
  readonly table: LegacyTable;
  readonly counts: LegacyCounts;
}

/** The newest connection of a user and group ends the one before it, on whatever node that is. */
export class Replacements {
  private readonly parts: ReplacementsParts;

  constructor(parts: ReplacementsParts) {
    this.parts = parts;
    parts.commands.handle(REPLACE, (data) => this.end(data as ReplaceData));
  }

  /** @param report where the order could not be sent. */
  replace({ replaced, row }: Taken, report: (error: unknown) => void): void {
    if (replaced === null) return;
    const data: ReplaceData = { conn: replaced.conn, code: row > MAX_ROW ? STAY_AWAY : REPLACED };
    this.parts.commands.request(replaced.lease, REPLACE, data, TIMEOUT_MS).catch(report);
  }

  private end({ conn, code }: ReplaceData): boolean {
    const connection = this.parts.table.get(conn);
    if (!connection) return false;
    this.parts.counts.replaced += 1;
    connection.endWith(code, REPLACED_REASON);
    return true;
  }
}
