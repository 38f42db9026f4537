// The usual report, and the totals in a file for scripts/test.mjs, so that a suite that dies or hangs says where.
const fs = require('node:fs');
const { reporters } = require('mocha');

module.exports = class TotalsReporter extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    const { totals } = options.reporterOptions;
    const write = (state) => {
      const { passes, failures, pending } = runner.stats;
      // Whole or not at all: the runner reads it at any time.
      fs.writeFileSync(`${totals}.new`, JSON.stringify({ passes, failures, pending, ...state }));
      fs.renameSync(`${totals}.new`, totals);
    };
    runner.on('hook', (hook) => write({ current: hook.fullTitle() }));
    runner.on('test', (test) => write({ current: test.fullTitle() }));
    runner.once('end', () => write({ ended: true }));
    // Plain SIGTERM would skip the `exit` handlers that end the servers which tests have started.
    process.once('SIGTERM', () => process.exit(143));
  }
};
