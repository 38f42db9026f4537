// npm run size: what a browser loads of the client, as one bundle, minified (esbuild) and compressed (gzip -9). Fails over a limit.
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { buildSync } from 'esbuild';
import { entry, Stop } from './lib/entry.mjs';
import { root } from './lib/paths.mjs';
import { note } from './lib/terminal.mjs';

const KB = 1000;
/** What applications import, each with the most that it may weigh. */
const IMPORTS = [
  {
    from: '@unified-ws/client/core',
    file: 'core/index.js',
    names: ['createClient', 'UnauthorizedError'],
    limit: 6 * KB,
  },
  {
    from: '@unified-ws/client/core',
    file: 'core/index.js',
    names: ['createClient', 'UnauthorizedError', 'events', 'snapshot'],
    limit: 7 * KB,
  },
  { from: '@unified-ws/client', file: 'index.js', names: ['createClient', 'UnauthorizedError'], limit: 9.2 * KB },
];

function sizeOf({ file, names }) {
  const { outputFiles } = buildSync({
    stdin: {
      contents: `export { ${names} } from './${file}';`,
      resolveDir: path.join(root, 'packages', 'client', 'dist'),
    },
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    external: ['ws'],
    write: false,
  });
  const [{ contents }] = outputFiles;
  return { minified: contents.length, gzip: gzipSync(contents, { level: 9 }).length };
}

const kB = (bytes) => `${(bytes / KB).toFixed(2)} kB`;

entry(() => {
  const over = [];
  for (const one of IMPORTS) {
    const { minified, gzip } = sizeOf(one);
    const what = `{ ${one.names.join(', ')} } of ${one.from}`;
    note(`${what}: ${kB(gzip)} gzip of ${kB(one.limit)}, ${kB(minified)} minified`);
    if (gzip > one.limit) over.push(what);
  }
  if (over.length > 0) throw new Stop(`Too large: ${over.join(', ')}`);
});
