// npm run size: what a browser loads of the client, as one bundle, minified (esbuild) and compressed (gzip -9). Fails over a limit.
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { buildSync } from 'esbuild';
import { entry, Stop } from './lib/entry.mjs';
import { root } from './lib/paths.mjs';
import { note } from './lib/terminal.mjs';

const KB = 1000;
/** Entries of the package, each with the most that it may have. */
const ENTRIES = [{ name: '@unified-ws/client/core', file: 'core/index.js', limit: 8.5 * KB }];

function sizeOf(file) {
  const { outputFiles } = buildSync({
    entryPoints: [path.join(root, 'packages', 'client', 'dist', file)],
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
  for (const { name, file, limit } of ENTRIES) {
    const { minified, gzip } = sizeOf(file);
    note(`${name}: ${kB(gzip)} gzip of ${kB(limit)}, ${kB(minified)} minified`);
    if (gzip > limit) over.push(name);
  }
  if (over.length > 0) throw new Stop(`Too large: ${over.join(', ')}`);
});
