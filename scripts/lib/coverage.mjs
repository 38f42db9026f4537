import fs from 'node:fs';
import path from 'node:path';
import { dataDir, root } from './paths.mjs';
import { bold } from './terminal.mjs';

/** Each process of Node.js writes here what it ran, and so do the nodes that it starts. */
const rawDir = path.join(dataDir, 'coverage');
/** Line by line, for a browser. */
const pagesDir = path.join(root, 'coverage');

/** Environment of the processes that are to count: their nodes run file by file, or what they ran would have no place in the packages. */
export function startCoverage() {
  fs.rmSync(rawDir, { recursive: true, force: true });
  fs.mkdirSync(rawDir, { recursive: true });
  return { NODE_V8_COVERAGE: rawDir, UWS_NODE_MAIN: path.join(root, 'packages', 'server', 'dist', 'main.js') };
}

/** `packages/server/src/auth/roleTable.ts` counts for `server/auth`, a file at the top for `server`. */
function folderOf(file) {
  const [, name, , ...below] = path.relative(root, file).split(path.sep);
  return below.length > 1 ? `${name}/${below[0]}` : name;
}

function table(map) {
  const folders = new Map();
  let whole;
  for (const file of map.files()) {
    const summary = map.fileCoverageFor(file).toSummary();
    const folder = folderOf(file);
    if (folders.has(folder)) folders.get(folder).merge(summary);
    else folders.set(folder, map.fileCoverageFor(file).toSummary());
    if (whole) whole.merge(summary);
    else whole = map.fileCoverageFor(file).toSummary();
  }
  const percent = ({ pct }) => (pct === 'Unknown' ? '-' : pct.toFixed(1)).padStart(10);
  const row = (name, { lines, branches, functions }) =>
    `  ${name.padEnd(24)}${percent(lines)}${percent(branches)}${percent(functions)}`;
  const sorted = [...folders].sort(([a], [b]) => (a < b ? -1 : 1));
  const head = `  ${'folder'.padEnd(24)}${['lines %', 'branches %', 'functions %'].map((text) => text.padStart(10)).join('')}`;
  return [head, ...sorted.map(([name, summary]) => row(name, summary)), ...(whole ? [row('all', whole)] : [])];
}

/** Prints the share of the packages' code that ran, a row per folder, and writes the pages. */
export async function reportCoverage() {
  // Not at the top: in a fresh clone the dependencies are installed only after this file was read.
  const { Report } = await import('c8');
  const report = new Report({
    include: ['packages/protocol/dist/**', 'packages/server/dist/**'],
    exclude: [],
    extension: ['.js'],
    reporter: ['html', 'lcovonly'],
    reportsDirectory: pagesDir,
    tempDirectory: rawDir,
    resolve: '',
    mergeAsync: true,
    all: true,
    src: [path.join(root, 'packages', 'protocol', 'dist'), path.join(root, 'packages', 'server', 'dist')],
  });
  await report.run();
  console.log(`\n${bold('Coverage')} (${path.relative(root, pagesDir)}/index.html)`);
  for (const line of table(await report.getCoverageMapFromAllCoverageFiles())) console.log(line);
}
