import type { LegacyGroup } from '@unified-ws/protocol';
import { Tally } from '../../util/tally.js';

/** `refused`, `closed`: the endpoint is closed to the user, at connect and while connected. */
export type NoticeOccasion = 'connect' | 'change' | 'refused' | 'closed';

/** What the legacy endpoints of this node are still used for, since its start. All labels are bounded. */
export class LegacyCounts {
  /** Upgrades that became a WebSocket, by group: whoever is refused for his token or by the roll-out too. */
  readonly upgrades = new Tally();
  /** Connections that were established, by group. */
  readonly established = new Tally();
  /** Messages of clients, by type; what the old protocol does not know is `other`. */
  readonly messages = new Tally();
  /** Deprecation notices, by occasion. */
  readonly notices = new Tally();
  replaced = 0;

  upgraded(group: LegacyGroup): void {
    this.upgrades.add(group);
  }

  connected(group: LegacyGroup): void {
    this.established.add(group);
  }

  notice(occasion: NoticeOccasion): void {
    this.notices.add(occasion);
  }
}
