// npm run model [-- --budget n --faults n --trace]: explores the protocols deeper than npm test does, and shows what
// happens without each of its rules. Exit code 1 when an invariant falls, or holds without a rule that it needs.
import path from 'node:path';
import { build } from './lib/build.mjs';
import { ensureDependencies } from './lib/dependencies.mjs';
import { entry } from './lib/entry.mjs';
import { root } from './lib/paths.mjs';
import { run } from './lib/processes.mjs';

entry(async (args) => {
  await ensureDependencies();
  await build();
  const cli = path.join(root, 'build', 'test', 'test', 'model', 'cli.js');
  const { code } = await run(process.execPath, [cli, ...args], { cwd: root, show: true });
  process.exitCode = code ?? 1;
});
