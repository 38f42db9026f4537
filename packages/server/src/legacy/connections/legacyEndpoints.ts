import type { Socket } from 'node:net';
import type { LegacyGroup } from '@unified-ws/protocol';
import type { WebSocket } from 'ws';
import type { ConnectionOrigin } from '../../connections/lifecycle/connection.js';
import type { Deprecations } from './deprecations.js';
import type { LegacyCounts } from './legacyCounts.js';
import { groupOfPath } from './legacyGroups.js';
import type { LegacyList } from './legacyList.js';
import type { LegacyStanding } from './legacyReview.js';
import type { LegacyTable } from './legacyTable.js';

export interface LegacyEndpointsParts {
  /** LEGACY_ENDPOINTS. */
  readonly isOn: boolean;
  readonly table: LegacyTable;
  readonly counts: LegacyCounts;
  readonly standing: LegacyStanding;
  readonly deprecations: Deprecations;
  readonly list: LegacyList;
  readonly open: (
    group: LegacyGroup,
    ws: WebSocket,
    socket: Socket,
    origin: ConnectionOrigin,
    token: string | null,
  ) => void;
}

/** The legacy endpoints of this node, as the rest of it sees them. */
export class LegacyEndpoints {
  readonly table: LegacyTable;
  readonly counts: LegacyCounts;
  readonly list: LegacyList;
  readonly open: LegacyEndpointsParts['open'];
  private readonly parts: LegacyEndpointsParts;

  constructor(parts: LegacyEndpointsParts) {
    this.parts = parts;
    this.table = parts.table;
    this.counts = parts.counts;
    this.list = parts.list;
    this.open = parts.open;
  }

  /** The group of an upgrade's path; null: none, or the endpoints are off. */
  groupOf(path: string): LegacyGroup | null {
    return this.parts.isOn ? groupOfPath(path) : null;
  }

  start(): void {
    if (this.parts.isOn) this.parts.standing.start();
  }

  async stop(): Promise<void> {
    this.parts.standing.stop();
    await this.parts.deprecations.stop();
  }
}
