import path from 'node:path';
import { Stop } from './entry.mjs';
import { installRedis } from './install-redis.mjs';
import { dataDir } from './paths.mjs';
import { findExecutable, run } from './processes.mjs';
import { note, step, warn } from './terminal.mjs';

/** Keep equal to what the node itself refuses at start: stream and script features of Redis 7 are in use. */
const OLDEST_MAJOR = 7;
const NAMES = ['redis-server', 'valkey-server'];
const IMAGE = 'redis:7-bookworm';

/** A server that somebody put here by hand, for machines where nothing may be installed. */
const privateBin = path.join(dataDir, 'redis', 'bin');

const HELP = `What helps, one of:
  - put redis-server or valkey-server ${OLDEST_MAJOR}.0 or newer on PATH, or into ${privateBin}
  - start a Docker engine (enough for npm start, not for npm test)
  - set REDIS_URL to a running Redis, for example REDIS_URL=redis://127.0.0.1:6379 (npm start)`;

async function usable(file) {
  const { code, output } = await run(file, ['--version']);
  const [, version, major] = /v=((\d+)\.\d+\.\d+)/.exec(output) ?? [];
  if (code === 0 && Number(major) >= OLDEST_MAJOR) return { kind: 'binary', path: file, version };
  warn(`${file} is not usable: ${version ? `version ${version}, needed is ${OLDEST_MAJOR}.0` : output.trim()}`);
  return undefined;
}

async function findBinary() {
  for (const name of NAMES) {
    const file = findExecutable([name], [privateBin]);
    const found = file && (await usable(file));
    if (found) return found;
  }
  return undefined;
}

async function findDocker() {
  const docker = findExecutable(['docker']);
  if (!docker) return undefined;
  const { code } = await run(docker, ['info']);
  return code === 0 ? { kind: 'docker', path: docker, image: IMAGE } : undefined;
}

/**
 * A Redis server to start: one that is here, else one that the system's package manager installs, else Docker
 * (unless `docker` is false: tests start, pause and kill server processes of their own).
 */
export async function findRedis({ docker = true } = {}) {
  const here = await findBinary();
  if (here) return here;
  step('No Redis server found on this machine');
  const { installed, reason } = await installRedis();
  const fresh = installed && (await findBinary());
  if (fresh) return fresh;
  const engine = docker && (await findDocker());
  if (engine) {
    note(`${reason ?? 'the installed one is not usable'}: Docker runs ${engine.image} instead`);
    return engine;
  }
  throw new Stop(`No Redis server: ${reason ?? 'what was installed is not usable'}.\n${HELP}`);
}
