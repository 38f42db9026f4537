import type { LegacyGroup } from '@unified-ws/protocol';
import { Tally } from '../../util/tally.js';

/** `refused`, `closed`: the endpoint is closed to the user, at connect and while connected. */
export type NoticeOccasion = 'connect' | 'change' | 'refused' | 'closed';

/** Use of the legacy endpoints of this node since its start. All labels are bounded. */
export class LegacyCounts {
  /** Upgrades that became a WebSocket, by group, including connections then refused for their token or by the roll-out. */
  readonly upgrades = new Tally();
  /** Connections that were established, by group. */
  readonly established = new Tally();
  /** Messages of clients, by type; types that the old protocol does not know are `other`. */
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
