// npm run packages: whether what is published can be imported everywhere: files and exports (publint), types (attw).
import path from 'node:path';
import { entry, Stop } from './lib/entry.mjs';
import { root } from './lib/paths.mjs';
import { run } from './lib/processes.mjs';

const dir = path.join(root, 'packages', 'client');
const module = (...names) => path.join(root, 'node_modules', ...names);
const CHECKS = [
  [module('publint', 'src', 'cli.js'), 'run', '--strict', dir],
  // Of ES modules alone: CommonJS imports them dynamically.
  [
    module('@arethetypeswrong', 'cli', 'dist', 'index.js'),
    '--pack',
    dir,
    '--profile',
    'esm-only',
    '--format',
    'table-flipped',
  ],
];

entry(async () => {
  for (const args of CHECKS) {
    const { code, output } = await run(process.execPath, args, { cwd: root });
    if (code !== 0) throw new Stop(output.trim());
  }
});
