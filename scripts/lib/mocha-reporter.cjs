// The usual report, and in a file for scripts/test.mjs: totals, how long each test and each file took, and where it is now, so that
// a process that dies or hangs says where.
const fs = require('node:fs');
const path = require('node:path');
const { reporters } = require('mocha');

/** Shorter ones are never among the slowest. */
const LEAST_MS = 200;

const built = path.join(__dirname, '..', '..', 'build', 'test');

module.exports = class StateReporter extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    const { state: file } = options.reporterOptions;
    const tests = [];
    const files = {};
    const begun = new Map();
    const write = (state) => {
      const { passes, failures, pending } = runner.stats;
      // Whole or not at all: the runner reads it at any time.
      fs.writeFileSync(`${file}.new`, JSON.stringify({ passes, failures, pending, tests, files, ...state }));
      fs.renameSync(`${file}.new`, file);
    };
    runner.on('hook', (hook) => write({ current: hook.fullTitle() }));
    runner.on('test', (test) => write({ current: test.fullTitle() }));
    runner.on('test end', (test) => {
      if (test.duration > LEAST_MS) tests.push({ title: test.fullTitle(), ms: test.duration });
    });
    runner.on('suite', (suite) => {
      if (suite.parent?.root) begun.set(suite, performance.now());
    });
    runner.on('suite end', (suite) => {
      if (!begun.has(suite) || !suite.file) return;
      const name = path.relative(built, suite.file);
      files[name] = (files[name] ?? 0) + performance.now() - begun.get(suite);
    });
    runner.once('end', () => write({ ended: true }));
    // Plain SIGTERM would skip the `exit` handlers that end the servers which tests have started.
    process.once('SIGTERM', () => process.exit(143));
  }
};
