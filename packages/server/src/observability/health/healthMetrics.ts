import { version as nodeVersion } from 'node:process';
import type { ReadinessReport } from '@unified-ws/protocol';
import { gauge, type Metric, one, type Series } from '../metrics/metric.js';
import { serverVersion } from '../serverVersion.js';

const VERSION = serverVersion();

/** What runs here, and whether it can serve. */
export const HEALTH_METRICS: readonly Metric<ReadinessReport>[] = [
  gauge(
    'uws_build_info',
    'Always 1; the labels say what runs here.',
    ({ node_id }) => [[1, { version: VERSION, node_version: nodeVersion, node_id }]],
    ['version', 'node_version', 'node_id'],
  ),
  gauge('uws_ready', '1 when /readyz answers 200.', ({ ready }) => one(ready)),
  gauge(
    'uws_check_ok',
    '1 for each check of /readyz that passes.',
    ({ checks }) => Object.entries(checks).map(([check, { ok }]) => [Number(ok), { check }]),
    ['check'],
  ),
  gauge('uws_lease_age_seconds', 'Age of the last confirmed renewal of the lease, seconds.', ({ checks }) =>
    age(checks.redis.value),
  ),
  gauge(
    'uws_bus_age_seconds',
    'Age of the last message that the node sent to itself over the bus and heard, seconds.',
    ({ checks }) => age(checks.bus.value),
  ),
];

/** A check's age in seconds; no series when there is none. */
const age = (ms: unknown): readonly Series[] => (typeof ms === 'number' ? [[ms / 1000]] : []);
