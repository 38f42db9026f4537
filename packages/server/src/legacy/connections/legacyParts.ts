import type { Rollouts } from '../rollout/rollouts.js';
import type { Deprecations } from './deprecations.js';
import type { LegacyAuthority } from './legacyAuthority.js';
import type { LegacyCounts } from './legacyCounts.js';
import type { LegacyErrors } from './legacyErrors.js';
import type { LegacyRegistry } from './legacyRegistry.js';
import type { LegacyReplacements } from './legacyReplacements.js';
import type { LegacyReview } from './legacyReview.js';
import type { LegacyTable } from './legacyTable.js';

/** The parts that the endpoints of the predecessor add to a node. A class takes what it needs by name: `Pick<LegacyParts, 'table'>`. */
export interface LegacyParts {
  readonly rollouts: Rollouts;
  readonly table: LegacyTable;
  readonly counts: LegacyCounts;
  readonly errors: LegacyErrors;
  readonly legacyRegistry: LegacyRegistry;
  readonly authority: LegacyAuthority;
  readonly review: LegacyReview;
  readonly deprecations: Deprecations;
  readonly replacements: LegacyReplacements;
}
