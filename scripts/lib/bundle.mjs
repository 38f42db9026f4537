import fs from 'node:fs';
import path from 'node:path';
import { filesBelow } from './files-below.mjs';
import { root } from './paths.mjs';

const dist = path.join(root, 'packages', 'server', 'dist');
/** What runs in production and in tests: the server and all packages that it uses, in one file. */
export const nodeMain = path.join(dist, 'unified-ws-node.mjs');

/** What CommonJS packages take for granted and an ES module does not have. */
const HEAD = `#!/usr/bin/env node
import { createRequire as makeRequire } from 'node:module';
const require = makeRequire(import.meta.url);
const { filename: __filename, dirname: __dirname } = import.meta;`;

/** Files of ours find scripts beside them: each keeps the address that it had before it was put in. */
const ownAddresses = {
  name: 'own-addresses',
  setup(build) {
    build.onLoad({ filter: /\.js$/ }, ({ path: file }) => {
      if (file.includes(`${path.sep}node_modules${path.sep}`)) return undefined;
      const address = JSON.stringify(path.relative(dist, file).split(path.sep).join('/'));
      const text = fs.readFileSync(file, 'utf8');
      return {
        contents: text.replaceAll('import.meta.url', `new URL(${address}, import.meta.url).href`),
        loader: 'js',
      };
    });
  },
};

/** Whether no file that went in has changed since, nor a version of a package. */
function isUpToDate() {
  if (!fs.existsSync(nodeMain)) return false;
  const made = fs.statSync(nodeMain).mtimeMs;
  const compiled = ['server', 'protocol'].flatMap((name) => {
    const dir = path.join(root, 'packages', name, 'dist');
    return filesBelow(dir).flatMap((file) => (file.endsWith('.js') ? [path.join(dir, file)] : []));
  });
  const others = [import.meta.filename, path.join(root, 'node_modules', '.package-lock.json')];
  return [...compiled, ...others].every((file) => !fs.existsSync(file) || fs.statSync(file).mtimeMs < made);
}

/** Puts the compiled server into one file, if needed: to find and load more than a thousand small ones took half of a node's start. */
export async function bundleNode() {
  if (isUpToDate()) return;
  // Not at the top: in a fresh clone the dependencies are installed only after this file was read.
  const { build } = await import('esbuild');
  await build({
    entryPoints: [path.join(dist, 'main.js')],
    outfile: nodeMain,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    // Optional packages of others, some in machine code: found where they are installed.
    external: ['msgpackr-extract', 'bufferutil', 'utf-8-validate'],
    sourcemap: 'linked',
    sourcesContent: false,
    banner: { js: HEAD },
    plugins: [ownAddresses],
    logLevel: 'warning',
  });
}
