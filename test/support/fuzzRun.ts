/** `npm test` always uses the same inputs: nobody trusts a suite that fails on a day without changes. */
const FIXED_SEED = 20_261_123;

export interface FuzzRun {
  readonly seed: number;
  /** Number of runs. */
  readonly runs: number;
  /** For a test's title: how to repeat the run. */
  readonly reported: string;
}

/**
 * The depth and the seed of a fuzz test.
 *
 * FUZZ_SEED: a number repeats a run, `random` makes a new one each time. FUZZ_RUNS: factor, default 1.
 *
 * @param runs default of the test.
 */
export function fuzzRun(runs: number, env: Readonly<Record<string, string | undefined>> = process.env): FuzzRun {
  const { FUZZ_SEED: given = '', FUZZ_RUNS: times = '1' } = env;
  const seed = given === 'random' ? Math.floor(Math.random() * 2 ** 31) : Number(given || FIXED_SEED);
  const factor = Number(times);
  if (!Number.isSafeInteger(seed)) throw new Error(`FUZZ_SEED must be a whole number or random, not ${given}`);
  if (!(factor > 0)) throw new Error(`FUZZ_RUNS must be a number above 0, not ${times}`);
  return {
    seed,
    runs: Math.ceil(runs * factor),
    reported: `FUZZ_SEED=${seed}${factor === 1 ? '' : ` FUZZ_RUNS=${factor}`}`,
  };
}

/** With FUZZ_TELL in the environment (`npm run fuzz`): reports what a run reached, so that a fuzz test without effect is noticed. */
export function tellFigures(figures: object): void {
  if (process.env.FUZZ_TELL) console.log(figures);
}
