import fs from 'node:fs';
import path from 'node:path';
import { bundleNode } from './bundle.mjs';
import { Stop } from './entry.mjs';
import { filesBelow } from './files-below.mjs';
import { root } from './paths.mjs';
import { run } from './processes.mjs';

/** What the compiler makes of `x.ts`, and what we copy: outputs whose source is gone are deleted. */
const OUTPUT = /^(.*?)(\.d\.ts\.map|\.d\.ts|\.js\.map|\.js|\.lua)$/;

/** The projects of the solution that are here: an image holds only some of the packages. */
function solution() {
  const { references } = JSON.parse(fs.readFileSync(path.join(root, 'tsconfig.json'), 'utf8'));
  return references.map(({ path: dir }) => dir).filter((dir) => fs.existsSync(path.join(root, dir)));
}

function copyLua(src, dist) {
  for (const file of filesBelow(src).filter((name) => name.endsWith('.lua'))) {
    const target = path.join(dist, file);
    fs.mkdirSync(path.dirname(target), { recursive: true });
    fs.copyFileSync(path.join(src, file), target);
  }
}

/** Deletes outputs without a source: a deleted test must not run on, a deleted script must not be loaded. */
function prune(src, dist) {
  for (const file of filesBelow(dist)) {
    const [, stem, ending] = OUTPUT.exec(file) ?? [];
    if (!stem) continue;
    const sources = ending === '.lua' ? [file] : [`${stem}.ts`, `${stem}.tsx`];
    if (!sources.some((source) => fs.existsSync(path.join(src, source)))) fs.rmSync(path.join(dist, file));
  }
}

/** Compiles the packages and, unless `packagesOnly`, the tests, and bundles the node; what is up to date is not built again. */
export async function build({ packagesOnly = false } = {}) {
  const projects = solution().filter((dir) => !packagesOnly || dir.startsWith('packages/'));
  for (const dir of projects.filter((name) => name.startsWith('packages/'))) {
    prune(path.join(root, dir, 'src'), path.join(root, dir, 'dist'));
    copyLua(path.join(root, dir, 'src'), path.join(root, dir, 'dist'));
  }
  prune(root, path.join(root, 'build', 'test'));
  const compiler = path.join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const { code } = await run(process.execPath, [compiler, '-b', ...projects], { cwd: root, show: true });
  if (code !== 0) throw new Stop('The build failed: see the errors above.');
  await bundleNode();
}
