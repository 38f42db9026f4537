// npm run build [-- --packages]: installs what is missing and compiles everything; with --packages the packages without the tests, from
// what is installed.
import { build } from './lib/build.mjs';
import { ensureDependencies } from './lib/dependencies.mjs';
import { entry } from './lib/entry.mjs';

entry(async (args) => {
  const packagesOnly = args.includes('--packages');
  // An image installs only what a node needs.
  if (!packagesOnly) await ensureDependencies();
  await build({ packagesOnly });
});
