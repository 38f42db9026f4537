import { execFile } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const ROOT = resolve(dirname(fileURLToPath(import.meta.resolve('@unified-ws/server/main'))), '..', '..', '..');
const BUILD = join(ROOT, 'build');
/** The only place that names the commit whose nodes must work together with ours (docs/UPGRADING.md). */
const HASH_FILE = join(ROOT, 'test', 'support', 'oldBuild.txt');
const PACKAGES = ['packages/protocol', 'packages/server'];

const run = promisify(execFile);

/**
 * Builds the server of the commit in `oldBuild.txt` below `build/`, once per hash.
 *
 * @returns path of its `main.js`.
 * @throws Error when this clone lacks the commit, or it does not compile.
 */
export async function buildOldServer(): Promise<string> {
  const hash = readFileSync(HASH_FILE, 'utf8').trim();
  const dir = join(BUILD, `old-${hash}`);
  if (!existsSync(dir)) {
    await expectCommit(hash);
    // Moved into place when it is complete, so that any directory found there is usable.
    mkdirSync(BUILD, { recursive: true });
    const draft = mkdtempSync(join(BUILD, 'old-draft-'));
    try {
      await compile(hash, draft);
      if (!existsSync(dir)) renameSync(draft, dir);
    } finally {
      rmSync(draft, { recursive: true, force: true });
    }
  }
  return join(dir, 'packages', 'server', 'dist', 'main.js');
}

async function expectCommit(hash: string): Promise<void> {
  try {
    await run('git', ['cat-file', '-e', `${hash}^{commit}`], { cwd: ROOT });
  } catch (error) {
    throw new Error(
      `this clone lacks commit ${hash}, whose build is to run beside this one: fetch it with git fetch --unshallow`,
      { cause: error },
    );
  }
}

async function compile(hash: string, dir: string): Promise<void> {
  const archive = join(dir, 'source.tar');
  await run('git', ['archive', '--output', archive, hash, 'tsconfig.json', ...PACKAGES], { cwd: ROOT });
  await run('tar', ['-xf', archive, '-C', dir]);
  rmSync(archive);
  // Its own protocol package; everything else comes from the repository's node_modules above it.
  mkdirSync(join(dir, 'node_modules', '@unified-ws'), { recursive: true });
  symlinkSync(join('..', '..', 'packages', 'protocol'), join(dir, 'node_modules', '@unified-ws', 'protocol'));
  const compiler = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
  await run(process.execPath, [compiler, '-b', ...PACKAGES], { cwd: dir });
  const server = join(dir, 'packages', 'server');
  cpSync(join(server, 'src'), join(server, 'dist'), {
    recursive: true,
    filter: (path) => path.endsWith('.lua') || statSync(path).isDirectory(),
  });
}
