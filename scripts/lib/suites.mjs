import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { filesBelow } from './build.mjs';
import { ConformanceTarget, TOPOLOGIES } from './conformance.mjs';
import { root } from './paths.mjs';
import { hasEnded, killGroup, spawnOwned, stopOwned } from './processes.mjs';
import { note } from './terminal.mjs';

const built = path.join(root, 'build', 'test');

/**
 * Each suite: its compiled files below build/test, and how long it may take at most, on a slow machine too. A suite with `parts` is run
 * by so many processes side by side: its tests wait most of the time, and share nothing.
 */
export const SUITES = [
  { name: 'unit', files: /^test\/unit\/.*\.test\.js$/, limitMs: 600_000 },
  { name: 'model', files: /^test\/model\/.*\.test\.js$/, limitMs: 600_000 },
  { name: 'node', files: /^test\/(node|wire\/(frames|fuzz))\/.*\.test\.js$/, limitMs: 900_000, parts: 2 },
  { name: 'cluster', files: /^test\/cluster\/.*\.test\.js$/, limitMs: 600_000 },
  { name: 'conformance', files: /^test\/wire\/conformance\/.*\.test\.js$/, limitMs: 600_000, topologies: TOPOLOGIES },
  { name: 'chaos', files: /^test\/chaos\/.*\.test\.js$/, limitMs: 1_200_000 },
];

/** From the last test to the end of the process: longer means that something was left open. */
const EXIT_GRACE_MS = 20_000;
const STOP_GRACE_MS = 5000;

export function filesOf(suite) {
  return filesBelow(built)
    .filter((file) => suite.files.test(file))
    .sort()
    .map((file) => path.join(built, file));
}

function readState(file) {
  // Nothing yet: no test has begun.
  return fs.existsSync(file) && fs.statSync(file).size > 0 ? JSON.parse(fs.readFileSync(file, 'utf8')) : {};
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
      return `hung, over its limit of ${limitMs / 1000} s, in: ${current ?? 'loading its files'}`;
    }
  }
  return undefined;
}

function verdict(child, state, hung) {
  const { passes = 0, failures = 0, pending = 0, ended, current } = state;
  const totals = { passed: passes, failed: failures, pending };
  if (hung) return { ...totals, failed: failures + 1, problem: hung };
  if (!ended) {
    const where = current ? `in: ${current}` : 'before its first test';
    return { ...totals, failed: failures + 1, problem: `ended (${child.signalCode ?? child.exitCode}) ${where}` };
  }
  // Without a failed test, for example an error after the last one.
  const late = child.exitCode !== 0 && failures === 0;
  return late ? { ...totals, failed: 1, problem: `ended with exit code ${child.exitCode}` } : totals;
}

/** Runs the files by mocha, once for each topology of the suite if it has some. Returns { passed, failed, pending, problem? }. */
export async function runSuite(suite, files, { topologies = suite.topologies, ...options }) {
  if (suite.parts) return runParts(suite, files, options);
  if (!topologies) return runFiles(suite, files, options);
  const results = [];
  for (const topology of topologies) {
    note(`${suite.name}: ${topology.name}`);
    const target = await ConformanceTarget.start(options.redisServer, topology);
    try {
      results.push(await runFiles(suite, files, { ...options, env: target.env }));
    } finally {
      await target.stop();
    }
  }
  return together(results);
}

/** The first part shows its output as it comes, each other part when it has ended. */
async function runParts(suite, files, options) {
  const parts = Array.from({ length: suite.parts }, (_, part) => files.filter((_, at) => at % suite.parts === part));
  const results = await Promise.all(
    parts.map(async (part, number) => {
      if (number === 0) return { ...(await runFiles(suite, part, options)), output: '' };
      const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'unified-ws-part-'));
      const file = path.join(dir, 'output');
      const fd = fs.openSync(file, 'w');
      try {
        const result = await runFiles(suite, part, { ...options, stdout: fd, stderr: fd });
        return { ...result, output: fs.readFileSync(file, 'utf8') };
      } finally {
        fs.closeSync(fd);
        fs.rmSync(dir, { recursive: true, force: true });
      }
    }),
  );
  for (const [number, { output }] of results.entries()) {
    if (output === '') continue;
    note(`${suite.name}: part ${number + 1} of ${suite.parts}`);
    process.stdout.write(output);
  }
  return together(results);
}

function together(results) {
  const sum = (key) => results.reduce((total, result) => total + result[key], 0);
  const problem = results.map((result) => result.problem).find(Boolean);
  return { passed: sum('passed'), failed: sum('failed'), pending: sum('pending'), ...(problem ? { problem } : {}) };
}

/** @param env of the tests, over our own. */
export async function runFiles(suite, files, { mochaArgs, redisServer, env = {}, stdout, stderr }) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'unified-ws-test-'));
  const stateFile = path.join(dir, 'totals.json');
  const mocha = path.join(root, 'node_modules', 'mocha', 'bin', 'mocha.js');
  const reporter = ['--reporter', path.join(root, 'scripts', 'lib', 'mocha-reporter.cjs'), '-O', `totals=${stateFile}`];
  const args = ['--enable-source-maps', mocha, ...reporter, ...mochaArgs, ...files];
  const child = spawnOwned(process.execPath, args, {
    cwd: root,
    env: { ...process.env, REDIS_SERVER: redisServer, ...env },
    stdout,
    stderr,
  });
  try {
    const hung = await watch(child, suite.limitMs, stateFile);
    await stopOwned(child, STOP_GRACE_MS);
    return verdict(child, readState(stateFile), hung);
  } finally {
    // What a test has started and not ended must not disturb the next suite.
    killGroup(child);
    fs.rmSync(dir, { recursive: true, force: true });
  }
}
