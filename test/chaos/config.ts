/** What the chaos suite does: settings of `npm run chaos`, and what `npm test` takes for them. */
export interface ChaosConfig {
  /** CHAOS_SEED; else a new one, printed so that a failure can be repeated. */
  readonly seed: number;
  /** CHAOS_ROUNDS; null: the number of each test. */
  readonly rounds: number | null;
  /** Whether CHAOS_FAULT, a list with commas, names the part; without it all are played. */
  readonly plays: (part: string) => boolean;
}

export function chaosConfig(env: NodeJS.ProcessEnv = process.env): ChaosConfig {
  const { CHAOS_SEED: seed, CHAOS_ROUNDS: rounds, CHAOS_FAULT: parts } = env;
  return {
    seed: seed === undefined ? Math.floor(Math.random() * 2 ** 31) : whole(seed, 'CHAOS_SEED'),
    rounds: rounds === undefined ? null : whole(rounds, 'CHAOS_ROUNDS'),
    plays: (part) => parts === undefined || parts.split(',').includes(part),
  };
}

function whole(text: string, name: string): number {
  if (!/^\d{1,10}$/.test(text)) throw new TypeError(`${name}=${text} is not a whole number`);
  return Number(text);
}
