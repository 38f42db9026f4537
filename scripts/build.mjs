// npm run build [-- --packages]: compiles everything; with --packages the packages without the tests.
import { build } from './lib/build.mjs';
import { entry } from './lib/entry.mjs';

entry((args) => build({ packagesOnly: args.includes('--packages') }));
