import { EDGE } from './connectionEntries.js';
import type { Entry, PropertyOf } from './entry.js';
import { EVENTS } from './eventEntries.js';
import { LIVENESS } from './livenessEntries.js';
import { OPERATIONS } from './operationEntries.js';
import { OWNERSHIP } from './ownershipEntries.js';
import { PROCESS } from './processEntries.js';
import { REDIS } from './redisEntries.js';
import { TOKENS } from './tokenEntries.js';

export { REPLACE_MARGIN_MS } from './ownershipEntries.js';

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
