import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ConformanceTarget } from './conformance.mjs';
import { root } from './paths.mjs';
import { hasEnded, killGroup, spawnOwned, stopOwned } from './processes.mjs';
import { builtFile } from './suites.mjs';

/** From the last test to the end of the process: longer means that something was left open. */
const EXIT_GRACE_MS = 20_000;
const STOP_GRACE_MS = 5000;
/** Of an ordinary process a tenth of the time, when both want all of it. */
const BACKGROUND_PRIORITY = 10;

function readState(file) {
  // Nothing yet: no test has begun.
  return fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, 'utf8')) : {};
}

/** Waits for the process; what it says is why it had to be ended, undefined when it ended by itself. */
async function watch(child, limitMs, stateFile) {
  const began = performance.now();
  let endedAt;
  while (!hasEnded(child)) {
    await delay(100);
    const { ended, current } = readState(stateFile);
    endedAt ??= ended && performance.now();
    if (endedAt && performance.now() - endedAt > EXIT_GRACE_MS) {
      return 'hung after its last test: something was left open';
    }
    if (performance.now() - began > limitMs) {
      return `hung, over its limit of ${Math.round(limitMs / 1000)} s, in: ${current ?? 'loading its files'}`;
    }
  }
  return undefined;
}

function verdict(child, state, hung) {
  const { passes = 0, failures = 0, pending = 0, ended, current, tests = [], files = {} } = state;
  const totals = { passed: passes, failed: failures, pending, tests, files };
  if (hung) return { ...totals, failed: failures + 1, problem: hung };
  if (!ended) {
    const where = current ? `in: ${current}` : 'before its first test';
    return { ...totals, failed: failures + 1, problem: `ended (${child.signalCode ?? child.exitCode}) ${where}` };
  }
  // Without a failed test, for example an error after the last one.
  const late = child.exitCode !== 0 && failures === 0;
  return late ? { ...totals, failed: 1, problem: `ended with exit code ${child.exitCode}` } : totals;
}

/**
 * Runs the files of a job by mocha. With a topology, against nodes that it starts for the job.
 *
 * @param log path of a file that gets what mocha says; without it that goes where ours goes.
 * @param env of the tests, over our own.
 * @returns { passed, failed, pending, problem?, tests: [{ title, ms }], files: { [file]: ms } }
 */
export async function runJob(job, { redisServer, ...options }) {
  if (!job.topology) return runMocha(job, { ...options, redisServer });
  const target = await ConformanceTarget.start(redisServer, job.topology);
  try {
    return await runMocha(job, { ...options, redisServer, env: { ...options.env, ...target.env } });
  } finally {
    await target.stop();
  }
}

/** As `runJob`, without nodes of ours. */
export async function runMocha({ files, limitMs, kind, env: ownEnv }, { mochaArgs, redisServer, env = {}, log }) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'unified-ws-test-'));
  const stateFile = path.join(dir, 'state.json');
  const mocha = path.join(root, 'node_modules', 'mocha', 'bin', 'mocha.js');
  const reporter = ['--reporter', path.join(root, 'scripts', 'lib', 'mocha-reporter.cjs'), '-O', `state=${stateFile}`];
  const args = ['--enable-source-maps', mocha, ...reporter, ...mochaArgs, ...files.map(builtFile)];
  const output = log === undefined ? 'inherit' : fs.openSync(log, 'w');
  const child = spawnOwned(process.execPath, args, {
    cwd: root,
    env: { ...process.env, REDIS_SERVER: redisServer, ...env, ...ownEnv },
    stdout: output,
    stderr: output,
  });
  if (kind === 'background') os.setPriority(child.pid, BACKGROUND_PRIORITY);
  try {
    const hung = await watch(child, limitMs, stateFile);
    await stopOwned(child, STOP_GRACE_MS);
    return verdict(child, readState(stateFile), hung);
  } finally {
    // What a test has started and not ended must not disturb the others.
    killGroup(child);
    if (log !== undefined) fs.closeSync(output);
    fs.rmSync(dir, { recursive: true, force: true });
  }
}
