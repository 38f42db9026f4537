// npm test [-- unit|model|node|cluster|conformance|chaos|lint|docs ...] [-- --grep x]: installs what is missing, builds, then
// runs the checks and the suites, or those that are named. Other arguments go to mocha. The last line has the totals.
import path from 'node:path';
import { build } from './lib/build.mjs';
import { ensureDependencies } from './lib/dependencies.mjs';
import { entry, Stop } from './lib/entry.mjs';
import { findRedis } from './lib/find-redis.mjs';
import { root } from './lib/paths.mjs';
import { run } from './lib/processes.mjs';
import { filesOf, runSuite, SUITES } from './lib/suites.mjs';
import { bold, duration, green, note, red, step } from './lib/terminal.mjs';

async function command(args) {
  const { code } = await run(process.execPath, args, { cwd: root, show: true });
  return { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1 };
}

function lint() {
  return command([path.join(root, 'node_modules', '@biomejs', 'biome', 'bin', 'biome'), 'check', '.']);
}

function docs() {
  return command([path.join(root, 'scripts', 'docs.mjs'), '--check']);
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

/** Names before the first option choose steps; everything else is mocha's. */
function readArguments(args) {
  const known = ['lint', 'docs', ...SUITES.map(({ name }) => name)];
  const firstOption = args.findIndex((arg) => arg.startsWith('-'));
  const names = firstOption === -1 ? args : args.slice(0, firstOption);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown) throw new Stop(`There is no suite ${unknown}; there are: ${known.join(', ')}`);
  const mochaArgs = args.slice(names.length);
  // A filter on tests says nothing about lint and docs.
  const all = mochaArgs.length > 0 ? SUITES.map(({ name }) => name) : known;
  return { chosen: new Set(names.length > 0 ? names : all), mochaArgs };
}

function suiteStep(suite, options) {
  return () => {
    const files = filesOf(suite);
    return files.length > 0 ? runSuite(suite, files, options) : { passed: 0, failed: 0, problem: 'no file yet' };
  };
}

async function runSteps(steps) {
  const results = [];
  for (const { name, work } of steps) {
    console.log('');
    step(name);
    const began = performance.now();
    const result = { name, ...(await work()), took: performance.now() - began };
    results.push(result);
    note(`${name}: ${describe(result)}`);
    if (result.blocks) {
      note(result.blocks);
      break;
    }
  }
  return results;
}

function describe({ passed, failed, pending, problem, took }) {
  const counts = [`${passed} passed`, `${failed} failed`, ...(pending ? [`${pending} pending`] : [])].join(', ');
  return `${counts}, ${duration(took)}${problem ? ` (${problem})` : ''}`;
}

function summary(results) {
  console.log(`\n${bold('Summary')}`);
  for (const result of results) {
    const mark = result.failed > 0 ? red('failed') : green('ok    ');
    console.log(`  ${mark}  ${result.name.padEnd(12)} ${describe(result)}`);
  }
}

entry(async (args) => {
  const { chosen, mochaArgs } = readArguments(args);
  const began = performance.now();
  await ensureDependencies();
  const redis = await findRedis({ docker: false });
  note(`Node.js ${process.versions.node}, ${redis.path} ${redis.version}`);
  const options = { mochaArgs, redisServer: redis.path };
  const results = await runSteps([
    ...(chosen.has('lint') ? [{ name: 'lint', work: lint }] : []),
    { name: 'types', work: types },
    ...(chosen.has('docs') ? [{ name: 'docs', work: docs }] : []),
    ...SUITES.filter(({ name }) => chosen.has(name)).map((suite) => ({
      name: suite.name,
      work: suiteStep(suite, options),
    })),
  ]);
  summary(results);
  note(`in ${duration(performance.now() - began)}`);
  const sum = (key) => results.reduce((total, result) => total + result[key], 0);
  console.log(`${sum('passed')} passed, ${sum('failed')} failed`);
  process.exitCode = sum('failed') > 0 ? 1 : 0;
});
