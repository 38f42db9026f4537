import type { Entry, PropertyOf } from './entry.js';
import { EDGE } from './table/edge.js';
import { EVENTS } from './table/events.js';
import { LIVENESS } from './table/liveness.js';
import { OPERATIONS } from './table/operations.js';
import { OWNERSHIP } from './table/ownership.js';
import { PROCESS } from './table/process.js';
import { REDIS } from './table/redis.js';
import { TOKENS } from './table/tokens.js';

export { REPLACE_MARGIN_MS } from './table/ownership.js';

/** Every setting, in the order of docs/CONFIG.md. */
export const ENTRIES = [
  ...PROCESS,
  ...REDIS,
  ...TOKENS,
  ...EDGE,
  ...OWNERSHIP,
  ...LIVENESS,
  ...EVENTS,
  ...OPERATIONS,
] as const;

type ValueOf<T> = T extends Entry<string, infer V> ? V : never;

/** Every setting by its property: `LEASE_TTL_MS` is `leaseTtlMs`. */
export type SettingValues = {
  readonly [N in (typeof ENTRIES)[number] as PropertyOf<N['env']>]: ValueOf<N>;
};
