import { parseArgs } from 'node:util';
import { INVARIANTS } from './invariants.js';
import { combinations, DEMONSTRATIONS, demonstrate, describeRun, run, scenarioOf } from './runs.js';
import { SHAPES } from './scenario.js';
import { describeStep } from './steps.js';
import { REFINEMENTS, SWITCHES, type Switch } from './switches.js';
import { FAULTS } from './vocabulary.js';

const { values } = parseArgs({
  options: {
    budget: { type: 'string', default: '1000000' },
    faults: { type: 'string', default: '2' },
    trace: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const HELP = `npm run model [-- options]: explores the claim protocol, and what happens without each of its rules
  --budget <n>   states per run, default 1000000
  --faults <n>   as many faults in one run, default 2
  --trace        print the shortest trace of each violation`;

/** @throws RangeError when it is no whole number above 0. */
function count(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new RangeError(`--${name} takes a whole number, not ${text}`);
  return value;
}

function print(trace: readonly { readonly label: number }[]): void {
  trace.forEach(({ label }, step) => {
    console.log(`      ${String(step).padStart(3)}  ${describeStep(label)}`);
  });
}

/** Returns the number of violations, of which there must be none. */
function exploreAll(budget: number, faults: number): number {
  let broken = 0;
  let exhausted = 0;
  let runs = 0;
  for (const shape of Object.values(SHAPES)) {
    for (let together = 0; together <= faults; together += 1) {
      for (const chosen of combinations(FAULTS, together)) {
        const result = run(scenarioOf(shape, chosen), budget);
        console.log(describeRun(shape, chosen, result));
        runs += 1;
        if (result.exhausted) exhausted += 1;
        if (!result.finding) continue;
        broken += 1;
        print(result.finding.trace);
      }
    }
  }
  console.log(`\n${runs} runs, ${exhausted} of them over every state, ${broken} violations`);
  return broken;
}

/** Returns the number of rules whose loss was not seen. */
function demonstrateAll(budget: number): number {
  let unseen = 0;
  for (const [off, meaning] of Object.entries({ ...SWITCHES, ...REFINEMENTS }) as [Switch, string][]) {
    const { shape, faults } = DEMONSTRATIONS[off];
    const result = demonstrate(off, budget);
    console.log(`\nwithout ${off} (${meaning})`);
    console.log(`  ${describeRun(shape, faults, result)}`);
    if (!result.finding) {
      unseen += 1;
      continue;
    }
    console.log(`  ${result.finding.invariant}: ${INVARIANTS[DEMONSTRATIONS[off].invariant]}`);
    if (values.trace) print(result.finding.trace);
  }
  return unseen;
}

if (values.help) {
  console.log(HELP);
} else {
  const budget = count('budget', values.budget);
  const broken = exploreAll(budget, count('faults', values.faults));
  const unseen = demonstrateAll(budget);
  process.exitCode = broken + unseen === 0 ? 0 : 1;
}
