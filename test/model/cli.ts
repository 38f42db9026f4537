import { parseArgs } from 'node:util';
import { combinations } from './combinations.js';
import * as events from './events/runs.js';
import { INVARIANTS as EVENT_INVARIANTS } from './events/vocabulary.js';
import { INVARIANTS } from './invariants.js';
import { describePublishStep } from './publish/publishModel.js';
import * as publish from './publish/runs.js';
import * as publishing from './publish/scenario.js';
import { describeRun } from './report.js';
import { DEMONSTRATIONS, demonstrate, type Run, run, scenarioOf } from './runs.js';
import { SHAPES } from './scenario.js';
import { describeStep } from './steps.js';
import { REFINEMENTS, SWITCHES, type Switch } from './switches.js';
import { FAULTS } from './vocabulary.js';

const MODELS = ['claim', 'user', 'broadcast', 'publish'] as const;
type ModelName = (typeof MODELS)[number];
/** States until the loss of each rule is seen, most of them far fewer: with less, a rule would seem to be needless. */
const DEMONSTRATION_BUDGET = 1_000_000;

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: MODELS.join(',') },
    budget: { type: 'string', default: '1000000' },
    faults: { type: 'string', default: '2' },
    trace: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const HELP = `npm run model [-- options]: explores the protocols of claim, mailbox and log, and what happens without each of their rules
  --model <list> of claim, user (mailbox), broadcast (log), publish (direct append and queue); default all
  --budget <n>   states per run, default 1000000; the loss of a rule is always looked for in at least so many
  --faults <n>   as many faults in one run, default 2
  --trace        print the shortest trace of each violation`;

/** @throws RangeError when it is no whole number above 0. */
function count(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new RangeError(`--${name} takes a whole number, not ${text}`);
  return value;
}

/** @throws RangeError when one of them is unknown. */
function chosenModels(text: string): ModelName[] {
  return text.split(',').map((name) => {
    const found = MODELS.find((known) => known === name);
    if (!found) throw new RangeError(`--model takes ${MODELS.join(', ')}, not ${name}`);
    return found;
  });
}

function print(trace: readonly { readonly label: number }[], describe: (label: number) => string): void {
  trace.forEach(({ label }, step) => {
    console.log(`      ${String(step).padStart(3)}  ${describe(label)}`);
  });
}

interface Explorable {
  readonly shapes: readonly { readonly name: string }[];
  readonly faults: readonly string[];
  readonly run: (shape: number, faults: readonly string[], budget: number) => Run;
  readonly describe: (label: number) => string;
}

function explorable(model: ModelName): Explorable {
  if (model === 'claim') {
    const shapes = Object.values(SHAPES);
    return {
      shapes,
      faults: FAULTS,
      run: (shape, faults, budget) =>
        run(scenarioOf(shapes[shape] as (typeof shapes)[number], faults as typeof FAULTS), budget),
      describe: describeStep,
    };
  }
  if (model === 'publish') {
    const shapes = Object.values(publishing.SHAPES);
    return {
      shapes,
      faults: publishing.FAULTS,
      run: (shape, faults, budget) =>
        publish.run(
          publishing.scenarioOf(shapes[shape] as publishing.Shape, faults as readonly publishing.Fault[]),
          budget,
        ),
      describe: describePublishStep,
    };
  }
  const shapes = events.SHAPES_OF[model];
  return {
    shapes,
    faults: events.FAULTS_OF[model],
    run: (shape, faults, budget) =>
      events.run(model, events.scenarioOf(shapes[shape] as (typeof shapes)[number], faults as events.Faults), budget),
    describe: (label) => events.describeStep(model, label),
  };
}

/** Returns the number of violations, of which there must be none. */
function exploreAll(models: readonly ModelName[], budget: number, faults: number): number {
  let broken = 0;
  let exhausted = 0;
  let runs = 0;
  for (const model of models.map(explorable)) {
    for (const [index, shape] of model.shapes.entries()) {
      for (let together = 0; together <= faults; together += 1) {
        for (const chosen of combinations(model.faults, together)) {
          const result = model.run(index, chosen, budget);
          console.log(describeRun(shape.name, chosen, result));
          runs += 1;
          if (result.exhausted) exhausted += 1;
          if (!result.finding) continue;
          broken += 1;
          print(result.finding.trace, model.describe);
        }
      }
    }
  }
  console.log(`\n${runs} runs, ${exhausted} of them over every state, ${broken} violations`);
  return broken;
}

/** Prints how the loss of a rule shows. True when it was seen. */
function shown(
  title: string,
  line: string,
  { finding }: Run,
  meaning: string,
  describe: (label: number) => string,
): boolean {
  console.log(`\nwithout ${title}\n  ${line}`);
  if (!finding) return false;
  console.log(`  ${finding.invariant}: ${meaning}`);
  if (values.trace) print(finding.trace, describe);
  return true;
}

/** Returns the number of rules whose loss was not seen. */
function demonstrateAll(models: readonly ModelName[], budget: number): number {
  let unseen = 0;
  if (models.includes('claim')) {
    for (const [off, meaning] of Object.entries({ ...SWITCHES, ...REFINEMENTS }) as [Switch, string][]) {
      const { shape, faults, invariant } = DEMONSTRATIONS[off];
      const result = demonstrate(off, budget);
      const line = describeRun(shape.name, faults, result);
      if (!shown(`${off} (${meaning})`, line, result, INVARIANTS[invariant], describeStep)) unseen += 1;
    }
  }
  if (models.includes('publish')) {
    for (const [off, meaning] of Object.entries(publishing.SWITCHES) as [publishing.Switch, string][]) {
      const { shape, faults, invariant } = publish.DEMONSTRATIONS[off];
      const result = publish.demonstrate(off, budget);
      const line = describeRun(shape.name, faults, result);
      const meant = publishing.INVARIANTS[invariant];
      if (!shown(`${off} (${meaning})`, line, result, meant, describePublishStep)) unseen += 1;
    }
  }
  for (const [off, meaning] of events.ALL_SWITCHES) {
    for (const demonstration of events.DEMONSTRATIONS[off]) {
      const { scope, shape, faults, invariant } = demonstration;
      if (!models.includes(scope)) continue;
      const result = events.demonstrate(off, demonstration, budget);
      const line = describeRun(shape.name, faults, result);
      const describe = (label: number): string => events.describeStep(scope, label);
      if (!shown(`${off} (${meaning})`, line, result, EVENT_INVARIANTS[invariant], describe)) unseen += 1;
    }
  }
  return unseen;
}

if (values.help) {
  console.log(HELP);
} else {
  const models = chosenModels(values.model);
  const budget = count('budget', values.budget);
  const broken = exploreAll(models, budget, count('faults', values.faults));
  const unseen = demonstrateAll(models, Math.max(budget, DEMONSTRATION_BUDGET));
  process.exitCode = broken + unseen === 0 ? 0 : 1;
}
