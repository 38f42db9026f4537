import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** What only compared servers need. It is installed by the bench, so that `npm ci` of the product stays small. */
const PACKAGES: Readonly<Record<string, string>> = {
  '@socket.io/redis-streams-adapter': '0.3.1',
};
const CENTRIFUGO = 'github.com/centrifugal/centrifugo/v6@v6.9.1';

/** Folder with the packages. Null: npm could not install them. */
export function peerPackages(dir: string): string | null {
  const folder = resolve(dir, 'peers');
  const names = Object.keys(PACKAGES);
  if (names.every((name) => existsSync(join(folder, 'node_modules', name)))) return folder;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, dependencies: PACKAGES }));
  const { status } = spawnSync('npm', ['install', '--no-audit', '--no-fund', '--no-package-lock'], { cwd: folder });
  return status === 0 ? folder : null;
}

/** Centrifugo's program: CENTRIFUGO, or what Go installed. Null: there is neither. The first build takes minutes. */
export function centrifugo(dir: string, say: (line: string) => void): string | null {
  if (process.env.CENTRIFUGO !== undefined) return process.env.CENTRIFUGO;
  const bin = resolve(dir, 'bin');
  const program = join(bin, 'centrifugo');
  if (existsSync(program)) return program;
  if (spawnSync('go', ['version']).status !== 0) return null;
  say(`go install ${CENTRIFUGO}: takes some minutes`);
  const { status } = spawnSync('go', ['install', CENTRIFUGO], { env: { ...process.env, GOBIN: bin } });
  return status === 0 ? program : null;
}
