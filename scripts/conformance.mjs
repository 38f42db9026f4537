// npm run conformance [-- mocha's options]: with CONFORMANCE_URL and two tokens in the environment it runs the suite against
// that server (docs/CONFORMANCE.md); without, against a node and then three of this checkout, which it starts with a Redis.
import { build } from './lib/build.mjs';
import { ensureDependencies } from './lib/dependencies.mjs';
import { entry } from './lib/entry.mjs';
import { findRedis } from './lib/find-redis.mjs';
import { runJob, runMocha } from './lib/mocha-process.mjs';
import { filesOf, jobsOf, SUITES } from './lib/suites.mjs';
import { note } from './lib/terminal.mjs';

/** A deployment with the default settings makes the suite wait longer than ours does. */
const REMOTE_LIMIT_MS = 900_000;

entry(async (mochaArgs) => {
  await ensureDependencies();
  await build();
  const suite = SUITES.find(({ name }) => name === 'conformance');
  const results = [];
  if (process.env.CONFORMANCE_URL) {
    results.push(await runMocha({ files: filesOf(suite), limitMs: REMOTE_LIMIT_MS }, { mochaArgs }));
  } else {
    const { path: redisServer } = await findRedis({ docker: false });
    for (const job of jobsOf(suite)) {
      note(job.name);
      results.push(await runJob(job, { mochaArgs, redisServer }));
    }
  }
  for (const { passed, failed, problem } of results) {
    note(`${passed} passed, ${failed} failed${problem ? ` (${problem})` : ''}`);
  }
  const failed = results.reduce((sum, result) => sum + result.failed, 0);
  process.exitCode = failed > 0 ? 1 : 0;
});
