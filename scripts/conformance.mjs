// npm run conformance [-- mocha's options]: with CONFORMANCE_URL and two tokens in the environment it runs the suite against
// that server (docs/CONFORMANCE.md); without, against a node and then three of this checkout, which it starts with a Redis.
import { build } from './lib/build.mjs';
import { ensureDependencies } from './lib/dependencies.mjs';
import { entry } from './lib/entry.mjs';
import { findRedis } from './lib/find-redis.mjs';
import { filesOf, runFiles, runSuite, SUITES } from './lib/suites.mjs';
import { note } from './lib/terminal.mjs';

/** A deployment with the default settings makes the suite wait longer than ours does. */
const REMOTE_LIMIT_MS = 900_000;

entry(async (mochaArgs) => {
  await ensureDependencies();
  await build();
  const suite = SUITES.find(({ name }) => name === 'conformance');
  const files = filesOf(suite);
  const { passed, failed, problem } = process.env.CONFORMANCE_URL
    ? await runFiles({ ...suite, limitMs: REMOTE_LIMIT_MS }, files, { mochaArgs })
    : await runSuite(suite, files, { mochaArgs, redisServer: (await findRedis({ docker: false })).path });
  note(`${passed} passed, ${failed} failed${problem ? ` (${problem})` : ''}`);
  process.exitCode = failed > 0 ? 1 : 0;
});
