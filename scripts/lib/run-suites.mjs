import fs from 'node:fs';
import path from 'node:path';
import { runJob } from './mocha-process.mjs';
import { dataDir } from './paths.mjs';
import { runPool } from './pool.mjs';
import { Progress } from './progress.mjs';
import { bold, duration, green, note, red } from './terminal.mjs';

/** What each process of mocha said, for who wants to know more than that it passed. */
export const logDir = path.join(dataDir, 'test');

/** 3 passed, 1 failed, 2 pending, 4.2 s (why) */
export function describe({ passed, failed, pending, problem, took }) {
  const counts = [`${passed} passed`, `${failed} failed`, ...(pending ? [`${pending} pending`] : [])].join(', ');
  return `${counts}, ${duration(took)}${problem ? ` (${problem})` : ''}`;
}

/** Never throws: what keeps a job from running is a failure of it. */
async function outcome(job, options) {
  const began = performance.now();
  const none = { passed: 0, pending: 0, tests: [], files: {} };
  const result = await runJob(job, options).catch((error) => ({ ...none, failed: 1, problem: error.stack }));
  return { ...result, took: performance.now() - began };
}

/**
 * Runs jobs side by side, each in a process of its own. What a process said is shown when it ended, if a test failed or all of it is
 * `shown`.
 *
 * @param coveredEnv environment of those whose coverage counts.
 * @returns per job: { job, passed, failed, pending, problem?, took, tests, files }
 */
export async function runJobs(jobs, { mochaArgs, redisServer, coveredEnv, shown }) {
  fs.mkdirSync(logDir, { recursive: true });
  const progress = new Progress(jobs, { foretells: mochaArgs.length === 0 });
  const results = [];
  const work = async (job) => {
    progress.begin(job);
    const log = path.join(logDir, `${job.suite}-${job.name.replaceAll(' ', '-')}.log`);
    const env = job.covered ? coveredEnv : {};
    const result = await outcome(job, { mochaArgs, redisServer, env, log });
    results.push({ job, ...result });
    const mark = result.failed > 0 ? red('failed') : green('ok    ');
    const output = shown || result.failed > 0 ? `${fs.readFileSync(log, 'utf8')}\n` : '';
    progress.end(job, `${output}  ${mark}  ${job.suite}: ${job.name}: ${describe(result)}`);
  };
  try {
    await runPool(jobs, work);
  } finally {
    progress.stop();
  }
  return results;
}

/** One result of several, with `took` as the time of all their processes together. */
export function together(results) {
  const sum = (key) => results.reduce((total, result) => total + result[key], 0);
  const problem = results.map((result) => result.problem).find(Boolean);
  return {
    passed: sum('passed'),
    failed: sum('failed'),
    pending: sum('pending'),
    took: sum('took'),
    ...(problem ? { problem } : {}),
  };
}

/** The tests that took longest, a line each. */
export function slowest(results, count) {
  return results
    .flatMap(({ job, tests }) => tests.map((test) => ({ ...test, suite: job.suite })))
    .sort((a, b) => b.ms - a.ms)
    .slice(0, count)
    .map(({ suite, title, ms }) => `${duration(ms).padStart(7)}  ${suite}: ${title}`);
}

/** Each result by its name, and the totals in the last line; a failure makes the exit code 1. */
export function printSummary(results, took) {
  console.log(`\n${bold('Summary')} (of a suite: the time of all its processes)`);
  for (const result of results) {
    const mark = result.failed > 0 ? red('failed') : green('ok    ');
    console.log(`  ${mark}  ${result.name.padEnd(12)} ${describe(result)}`);
  }
  note(`in ${duration(took)}`);
  const { passed, failed } = together(results);
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed > 0 ? 1 : 0;
}
