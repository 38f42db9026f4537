import type { LegacyGroup } from '@unified-ws/protocol';
import { Tally } from '../observability/tally.js';

export type NoticeOccasion = 'connect' | 'change' | 'closed';

/** What the legacy endpoints of this node are still used for, since its start. All labels are bounded. */
export class LegacyCounts {
  /** Connections that were established, by group. */
  readonly established = new Tally();
  /** Messages of clients, by type; what the old protocol does not know is `other`. */
  readonly messages = new Tally();
  /** Deprecation notices, by occasion. */
  readonly notices = new Tally();
  replaced = 0;

  connected(group: LegacyGroup): void {
    this.established.add(group);
  }

  notice(occasion: NoticeOccasion): void {
    this.notices.add(occasion);
  }
}
