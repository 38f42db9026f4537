// npm test [-- unit|model|node|wire|conformance|cluster|chaos|browser|lint|docs|packages|size|unused ...] [-- --grep x]: installs what is missing, builds,
// then runs the checks and, side by side, the suites, or those that are named. Other arguments go to mocha. The last line has the totals.
// --coverage: prints which share of the code ran in unit, node and wire. --keep-durations: writes how long each file took into
// scripts/lib/durations.json.
import path from 'node:path';
import { build } from './lib/build.mjs';
import { reportCoverage, startCoverage } from './lib/coverage.mjs';
import { ensureDependencies } from './lib/dependencies.mjs';
import { entry, Stop } from './lib/entry.mjs';
import { findRedis } from './lib/find-redis.mjs';
import { root } from './lib/paths.mjs';
import { run } from './lib/processes.mjs';
import { describe, logDir, printSummary, runJobs, slowest, together } from './lib/run-suites.mjs';
import { jobsOf, SUITES, writeDurations } from './lib/suites.mjs';
import { bold, note, step } from './lib/terminal.mjs';

const SLOWEST = 10;
const OURS = { keep: '--keep-durations', coverage: '--coverage' };

async function command(args) {
  const { code } = await run(process.execPath, args, { cwd: root, show: true });
  return { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1 };
}

async function types() {
  try {
    await build();
    return { passed: 1, failed: 0 };
  } catch (error) {
    if (!(error instanceof Stop)) throw error;
    return { passed: 0, failed: 1, blocks: 'what does not compile cannot be tested' };
  }
}

/** What is checked before the suites; `always`: the suites need it. */
const CHECKS = [
  {
    name: 'lint',
    work: () => command([path.join(root, 'node_modules', '@biomejs', 'biome', 'bin', 'biome'), 'check', '.']),
  },
  { name: 'types', work: types, always: true },
  { name: 'docs', work: () => command([path.join(root, 'scripts', 'docs.mjs'), '--check']) },
  { name: 'packages', work: () => command([path.join(root, 'scripts', 'packages.mjs')]) },
  { name: 'size', work: () => command([path.join(root, 'scripts', 'size.mjs')]) },
  { name: 'unused', work: () => command([path.join(root, 'node_modules', 'knip', 'bin', 'knip.js')]) },
];

/** Names before the first option choose checks and suites; everything else is mocha's. */
function readArguments(args) {
  const suites = SUITES.map(({ name }) => name);
  const known = [...CHECKS.map(({ name }) => name), ...suites];
  const options = args.filter((arg) => !Object.values(OURS).includes(arg));
  const firstOption = options.findIndex((arg) => arg.startsWith('-'));
  const names = firstOption === -1 ? options : options.slice(0, firstOption);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown) throw new Stop(`There is no suite ${unknown}; there are: ${known.join(', ')}`);
  const mochaArgs = options.slice(names.length);
  // A filter on tests says nothing about the checks.
  const all = mochaArgs.length > 0 ? suites : known;
  return {
    chosen: new Set(names.length > 0 ? names : all),
    mochaArgs,
    keep: args.includes(OURS.keep),
    coverage: args.includes(OURS.coverage),
  };
}

async function runChecks(chosen) {
  const results = [];
  for (const { name, work, always } of CHECKS) {
    if (!always && !chosen.has(name)) continue;
    step(name);
    const began = performance.now();
    const result = { name, ...(await work()), took: performance.now() - began };
    results.push(result);
    note(`${name}: ${describe(result)}`);
    if (!result.blocks) continue;
    note(result.blocks);
    break;
  }
  return results;
}

async function runSuites({ chosen, keep, coverage, mochaArgs }, redisServer) {
  const suites = SUITES.filter(({ name }) => chosen.has(name));
  const jobs = suites.flatMap((suite) => jobsOf(suite));
  if (jobs.length === 0) return [];
  step(`${suites.map(({ name }) => name).join(', ')}: ${jobs.length} processes`);
  const results = await runJobs(jobs, {
    mochaArgs,
    redisServer,
    coveredEnv: coverage ? startCoverage() : {},
    shown: mochaArgs.length > 0,
  });
  if (coverage) await reportCoverage();
  if (keep) writeDurations(Object.assign({}, ...results.map(({ files }) => files)));
  console.log(`\n${bold(`The slowest ${SLOWEST}`)}`);
  for (const line of slowest(results, SLOWEST)) console.log(`  ${line}`);
  note(`what each process said: ${path.relative(root, logDir)}`);
  return suites.map(({ name }) => ({ name, ...together(results.filter(({ job }) => job.suite === name)) }));
}

entry(async (args) => {
  const options = readArguments(args);
  const began = performance.now();
  await ensureDependencies();
  const redis = await findRedis({ docker: false });
  note(`Node.js ${process.versions.node}, ${redis.path} ${redis.version}`);
  const results = await runChecks(options.chosen);
  if (!results.some(({ blocks }) => blocks)) results.push(...(await runSuites(options, redis.path)));
  printSummary(results, performance.now() - began);
});
