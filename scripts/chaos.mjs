// npm run chaos [-- --rounds 2000 --fault plain --seed n]: installs what is missing, builds, then plays rounds of simultaneous
// connects over three node processes, or has events published while nodes, links and Redis fail (--fault events --events 20000
// --rate 400). A failed run prints its seed; the same seed plays the same plan again.
import util from 'node:util';
import { build } from './lib/build.mjs';
import { CHAOS_PARTS, chaosJob } from './lib/deep.mjs';
import { ensureDependencies } from './lib/dependencies.mjs';
import { entry, Stop } from './lib/entry.mjs';
import { findRedis } from './lib/find-redis.mjs';
import { runJob } from './lib/mocha-process.mjs';
import { note } from './lib/terminal.mjs';

const USAGE = `npm run chaos -- [options]
  --rounds N     rounds of each fault that has rounds (2000)
  --events N     events of the part events (20000)
  --rate N       events per second (400)
  --fault NAME   ${CHAOS_PARTS.join(', ')}, or all; several with commas (plain,directed,replacement)
  --seed N       repeats the plan of a failed run`;

const OPTIONS = {
  rounds: { type: 'string', default: '2000' },
  events: { type: 'string', default: '20000' },
  rate: { type: 'string', default: '400' },
  fault: { type: 'string', default: 'plain,directed,replacement' },
  seed: { type: 'string' },
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
  const { help, rounds, events, rate, fault, seed } = parse(args);
  if (help) return console.log(USAGE);
  const parts = fault === 'all' ? CHAOS_PARTS : fault.split(',');
  const unknown = parts.find((part) => !CHAOS_PARTS.includes(part));
  if (unknown) throw new Stop(`Unknown fault: ${unknown}\n\n${USAGE}`);
  if (![rounds, events, rate, seed ?? '0'].every((text) => /^\d{1,9}$/.test(text))) throw new Stop(USAGE);
  await ensureDependencies();
  await build();
  const redis = await findRedis({ docker: false });
  const job = chaosJob(parts, { rounds: Number(rounds), events: Number(events), rate, seed });
  const { passed, failed, problem } = await runJob(job, { mochaArgs: [], redisServer: redis.path });
  note(`${passed} passed, ${failed} failed${problem ? ` (${problem})` : ''}`);
  process.exitCode = failed > 0 ? 1 : 0;
});
