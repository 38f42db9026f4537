// npm run fuzz [-- --runs 25 --seed n --part messages,requests]: installs what is missing, builds, then runs the tests that make up
// their inputs, deeper than npm test does and from a new seed. A failed test tells its seed in its title.
import util from 'node:util';
import { build } from './lib/build.mjs';
import { FUZZ_PARTS, fuzzJob } from './lib/deep.mjs';
import { ensureDependencies } from './lib/dependencies.mjs';
import { entry, Stop } from './lib/entry.mjs';
import { findRedis } from './lib/find-redis.mjs';
import { runJob } from './lib/mocha-process.mjs';
import { note } from './lib/terminal.mjs';

const USAGE = `npm run fuzz -- [options]
  --runs N       times as many inputs as in npm test (25)
  --seed N       repeats the inputs of a failed test (default: random)
  --part NAME    ${Object.keys(FUZZ_PARTS).join(', ')}; several with commas (all)`;

const OPTIONS = {
  runs: { type: 'string', default: '25' },
  seed: { type: 'string', default: 'random' },
  part: { type: 'string', default: Object.keys(FUZZ_PARTS).join(',') },
  help: { type: 'boolean', short: 'h' },
};

function parse(args) {
  try {
    return util.parseArgs({ args, options: OPTIONS }).values;
  } catch (error) {
    throw new Stop(`${error.message}\n\n${USAGE}`);
  }
}

entry(async (args) => {
  const { help, runs, seed, part } = parse(args);
  if (help) return console.log(USAGE);
  const parts = part.split(',');
  const unknown = parts.find((name) => !Object.hasOwn(FUZZ_PARTS, name));
  if (unknown !== undefined) throw new Stop(`Unknown part: ${unknown}\n\n${USAGE}`);
  if (!/^\d{1,4}$/.test(runs) || !/^(random|\d{1,10})$/.test(seed)) throw new Stop(USAGE);
  await ensureDependencies();
  await build();
  const redis = await findRedis({ docker: false });
  const job = fuzzJob(parts, { runs: Number(runs), seed });
  const { passed, failed, problem } = await runJob(job, { mochaArgs: [], redisServer: redis.path });
  note(`${passed} passed, ${failed} failed${problem ? ` (${problem})` : ''}`);
  process.exitCode = failed > 0 ? 1 : 0;
});
