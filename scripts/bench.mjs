// npm run bench [-- fanout|targeted|connect|queue ...] [-- --repeat 3 --small --only ours,ws --profile]: installs what is
// missing, builds, then measures real nodes beside other servers. Figures go to build/bench/result-<time>.json.
import path from 'node:path';
import { build } from './lib/build.mjs';
import { ensureDependencies } from './lib/dependencies.mjs';
import { entry } from './lib/entry.mjs';
import { findRedis } from './lib/find-redis.mjs';
import { root } from './lib/paths.mjs';
import { run } from './lib/processes.mjs';

entry(async (args) => {
  await ensureDependencies();
  await build({ packagesOnly: true });
  const redis = await findRedis({ docker: false });
  const main = path.join(root, 'packages', 'bench', 'dist', 'main.js');
  const env = { ...process.env, REDIS_SERVER: redis.path };
  const { code } = await run(process.execPath, [main, ...args], { cwd: root, env, show: true });
  process.exitCode = code;
});
