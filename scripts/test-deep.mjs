// npm run test:deep [-- fuzz|conformance|model|chaos ...] [-- --runs 25 --rounds 2000 --fault-rounds 300 --events 20000 --budget 1000000]:
// what npm test samples, at its full depth and from new seeds, and the topologies that it leaves out. Takes hours. The last line
// has the totals; a failed search tells the seed that repeats it.
import path from 'node:path';
import util from 'node:util';
import { build } from './lib/build.mjs';
import { DEEP_TOPOLOGIES } from './lib/conformance.mjs';
import { CHAOS_PARTS, chaosJob, FUZZ_PARTS, fuzzJob } from './lib/deep.mjs';
import { ensureDependencies } from './lib/dependencies.mjs';
import { entry, Stop } from './lib/entry.mjs';
import { findRedis } from './lib/find-redis.mjs';
import { root } from './lib/paths.mjs';
import { run } from './lib/processes.mjs';
import { logDir, printSummary, runJobs, together } from './lib/run-suites.mjs';
import { jobsOf, SUITES } from './lib/suites.mjs';
import { note, step } from './lib/terminal.mjs';

const STEPS = ['model', 'suites', 'fuzz', 'conformance', 'chaos'];
const USAGE = `npm run test:deep -- [${STEPS.join('|')} ...] [options]
  --runs N          times as many inputs as in npm test (25)
  --rounds N        rounds of simultaneous connects without a fault (2000)
  --fault-rounds N  rounds with each fault (300)
  --events N        events of the chaos of events (20000)
  --budget N        states of each run of a model (1000000)
  --event-queue M   EVENT_QUEUE of the nodes: auto, or always (auto)
The step suites is npm test's node and cluster suites; only always runs it by default.`;

const OPTIONS = {
  runs: { type: 'string', default: '25' },
  rounds: { type: 'string', default: '2000' },
  'fault-rounds': { type: 'string', default: '300' },
  events: { type: 'string', default: '20000' },
  budget: { type: 'string', default: '1000000' },
  'event-queue': { type: 'string', default: 'auto' },
  help: { type: 'boolean', short: 'h' },
};
const RATE = 400;

function parse(args) {
  try {
    const { values, positionals } = util.parseArgs({ args, options: OPTIONS, allowPositionals: true });
    const { help, 'event-queue': mode, ...numbers } = values;
    if (!['auto', 'always'].includes(mode)) throw new Error('--event-queue is auto or always.');
    if (positionals.some((name) => !STEPS.includes(name))) throw new Error(`The steps are ${STEPS.join(', ')}.`);
    if (!Object.values(numbers).every((text) => /^[1-9]\d{0,8}$/.test(text))) throw new Error('Whole numbers above 0.');
    const amounts = Object.entries(numbers).map(([name, text]) => [name, Number(text)]);
    const steps = mode === 'always' ? STEPS : STEPS.filter((name) => name !== 'suites');
    return { help, mode, chosen: positionals.length > 0 ? positionals : steps, amounts: Object.fromEntries(amounts) };
  } catch (error) {
    throw new Stop(`${error.message}\n\n${USAGE}`);
  }
}

/** Every pair of faults, of each shape and model; and that the loss of each rule is seen. */
async function model(budget) {
  step('model');
  const began = performance.now();
  const cli = path.join(root, 'build', 'test', 'test', 'model', 'cli.js');
  const { code } = await run(process.execPath, [cli, '--budget', String(budget)], { cwd: root, show: true });
  const passed = code === 0;
  return { name: 'model', passed: passed ? 1 : 0, failed: passed ? 0 : 1, took: performance.now() - began };
}

function jobsOfStep(name, { runs, rounds, 'fault-rounds': faultRounds, events }) {
  if (name === 'fuzz') return Object.keys(FUZZ_PARTS).map((part) => fuzzJob([part], { runs, seed: 'random' }));
  if (name === 'suites')
    return SUITES.filter((suite) => ['node', 'cluster'].includes(suite.name)).flatMap((suite) => jobsOf(suite));
  if (name === 'conformance') {
    return jobsOf({ ...SUITES.find((suite) => suite.name === name), topologies: DEEP_TOPOLOGIES });
  }
  return CHAOS_PARTS.map((part) => {
    return chaosJob([part], { rounds: part === 'plain' ? rounds : faultRounds, events, rate: RATE });
  });
}

entry(async (args) => {
  const { help, mode, chosen, amounts } = parse(args);
  if (help) return console.log(USAGE);
  process.env.TEST_EVENT_QUEUE = mode;
  const began = performance.now();
  await ensureDependencies();
  await build();
  const { path: redisServer } = await findRedis({ docker: false });
  const results = chosen.includes('model') ? [await model(amounts.budget)] : [];
  const steps = chosen.filter((name) => name !== 'model');
  const jobs = steps.flatMap((name) => jobsOfStep(name, amounts));
  if (jobs.length > 0) {
    step(steps.join(', '));
    note(`what each process says: ${path.relative(root, logDir)}`);
    const played = await runJobs(jobs, { mochaArgs: [], redisServer, coveredEnv: {}, shown: true });
    results.push(
      ...steps.map((name) => ({
        name,
        ...together(
          played.filter(
            ({ job }) => job.suite === name || (name === 'suites' && ['node', 'cluster'].includes(job.suite)),
          ),
        ),
      })),
    );
  }
  printSummary(results, performance.now() - began);
});
