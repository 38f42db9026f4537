/** A sample of the plans, the same each time. How the nodes interleave differs all the same. */
const FIXED_SEED = 20_261_123;

/** What the chaos suite does: settings of `npm run chaos`, and what `npm test` takes for them. */
export interface ChaosConfig {
  /** CHAOS_SEED; else in `npm test` always the same, and with CHAOS_FAULT a new one, printed so that a failure can be repeated. */
  readonly seed: number;
  /** CHAOS_ROUNDS; null: the number of each test. */
  readonly rounds: number | null;
  /** CHAOS_EVENTS and CHAOS_RATE (a second); null: those of the test. */
  readonly events: number | null;
  readonly rate: number | null;
  /** Started by `npm run chaos`, not by `npm test`: at full size. */
  readonly full: boolean;
  /** Whether CHAOS_FAULT, a list with commas, names the part; without it all are played. */
  readonly plays: (part: string) => boolean;
}

export function chaosConfig(env: NodeJS.ProcessEnv = process.env): ChaosConfig {
  const { CHAOS_SEED: seed, CHAOS_ROUNDS: rounds, CHAOS_FAULT: parts, CHAOS_EVENTS: events, CHAOS_RATE: rate } = env;
  return {
    seed: seed === undefined ? newSeed(parts !== undefined) : whole(seed, 'CHAOS_SEED'),
    rounds: rounds === undefined ? null : whole(rounds, 'CHAOS_ROUNDS'),
    events: events === undefined ? null : whole(events, 'CHAOS_EVENTS'),
    rate: rate === undefined ? null : whole(rate, 'CHAOS_RATE'),
    full: parts !== undefined,
    plays: (part) => parts === undefined || parts.split(',').includes(part),
  };
}

const newSeed = (full: boolean): number => (full ? Math.floor(Math.random() * 2 ** 31) : FIXED_SEED);

function whole(text: string, name: string): number {
  if (!/^\d{1,10}$/.test(text)) throw new TypeError(`${name}=${text} is not a whole number`);
  return Number(text);
}
