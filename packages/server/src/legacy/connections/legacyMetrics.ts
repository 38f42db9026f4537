import { counter, each, gauge, type Metric, one } from '../../observability/metrics/metric.js';
import type { LegacyCounts } from './legacyCounts.js';
import type { LegacyTable } from './legacyTable.js';

interface LegacySource {
  readonly table: Pick<LegacyTable, 'countByGroup'>;
  readonly counts: LegacyCounts;
}

/** The endpoints of the predecessor. */
export const LEGACY_METRICS: readonly Metric<LegacySource>[] = [
  gauge(
    'uws_legacy_connections',
    'Connections to the endpoints of the predecessor, by group.',
    ({ table }) => each(table.countByGroup(), 'group'),
    ['group'],
  ),
  counter(
    'uws_legacy_upgrades_total',
    'Upgrades on those endpoints that became a WebSocket, by group, including connections then refused for their token or by the roll-out.',
    ({ counts }) => each(counts.upgrades.toRecord(), 'group'),
    ['group'],
  ),
  counter(
    'uws_legacy_established_total',
    'Connections to the endpoints of the predecessor that were established, by group.',
    ({ counts }) => each(counts.established.toRecord(), 'group'),
    ['group'],
  ),
  counter(
    'uws_legacy_messages_total',
    'Messages of clients on those endpoints, by type; types that the old protocol does not know are other.',
    ({ counts }) => each(counts.messages.toRecord(), 'type'),
    ['type'],
  ),
  counter(
    'uws_legacy_notices_total',
    'Deprecation notices by occasion: at connect, when the roll-out of the user changed (`change`), and when the endpoint refused the user at connect (`refused`) or closed the connection (`closed`).',
    ({ counts }) => each(counts.notices.toRecord(), 'occasion'),
    ['occasion'],
  ),
  counter(
    'uws_legacy_replaced_total',
    'Connections to those endpoints that were replaced by a newer one of the same user and group.',
    ({ counts }) => one(counts.replaced),
  ),
];
