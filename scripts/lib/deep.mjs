// The random searches at more than the depth of npm test: jobs for scripts/fuzz.mjs, scripts/chaos.mjs and scripts/test-deep.mjs.
import { filesOf, SUITES } from './suites.mjs';

/** Tests that make up their inputs. */
export const FUZZ_PARTS = {
  messages: /^test\/wire\/fuzz\/fuzzMessages\.test\.js$/,
  requests: /^test\/wire\/fuzz\/fuzzRequests\.test\.js$/,
  strangers: /^test\/wire\/fuzz\/fuzzStrangers\.test\.js$/,
  frames: /^test\/wire\/frames\/rawFramesFuzz\.test\.js$/,
  subscriptions: /^test\/node\/subscriptions\/subscriptionModel\.test\.js$/,
  properties: /^test\/unit\/.*\bproperties\.test\.js$/,
};

/** What the chaos suite plays, by the names that CHAOS_FAULT takes. */
export const CHAOS_PARTS = [
  'plain',
  'kill',
  'pause',
  'restart',
  'freeze',
  'empty',
  'shard',
  'directed',
  'replacement',
  'events',
  'lost',
  'slow',
  'offline',
  'connections',
  'storm',
  'clocks',
  'clocks-stopped',
];

const ESTIMATE_PER_RUN_MS = 20_000;
const ESTIMATE_PER_ROUND_MS = 800;
const LIMIT_PER_RUN_MS = 240_000;
/** A wave of 20 rounds with a fault may take half a minute on a slow machine. */
const LIMIT_PER_ROUND_MS = 3000;
const LIMIT_PER_EVENT_MS = 20;
const LIMIT_BESIDES_MS = 600_000;

/** One process that plays parts of FUZZ_PARTS: `runs` times as many inputs as npm test, from a seed or from `random`. */
export function fuzzJob(parts, { runs, seed }) {
  return {
    suite: 'fuzz',
    name: parts.join(','),
    kind: 'waits',
    files: parts.flatMap((part) => filesOf({ files: FUZZ_PARTS[part] })),
    env: { FUZZ_RUNS: String(runs), FUZZ_SEED: String(seed), FUZZ_TELL: '1' },
    estimateMs: runs * ESTIMATE_PER_RUN_MS,
    limitMs: 120_000 + Math.max(1, runs) * LIMIT_PER_RUN_MS,
  };
}

/** One process that plays parts of CHAOS_PARTS at full size; without a seed from a new one. */
export function chaosJob(parts, { rounds, events, rate, seed }) {
  return {
    suite: 'chaos',
    name: parts.join(','),
    kind: 'alone',
    files: filesOf(SUITES.find(({ name }) => name === 'chaos')),
    env: {
      CHAOS_ROUNDS: String(rounds),
      CHAOS_EVENTS: String(events),
      CHAOS_RATE: String(rate),
      CHAOS_FAULT: parts.join(','),
      ...(seed === undefined ? {} : { CHAOS_SEED: String(seed) }),
    },
    estimateMs: rounds * ESTIMATE_PER_ROUND_MS,
    limitMs: LIMIT_BESIDES_MS + parts.length * rounds * LIMIT_PER_ROUND_MS + events * LIMIT_PER_EVENT_MS,
  };
}
