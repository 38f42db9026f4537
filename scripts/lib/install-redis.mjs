import { fileURLToPath } from 'node:url';
import { findExecutable, run } from './processes.mjs';
import { note, step } from './terminal.mjs';

/**
 * In this order. `script` is run by `sh -c`, as root unless `asUser`; `manual` is what a person without our rights is
 * told to run. Names differ by age of the distribution: newer ones ship Valkey.
 */
const MANAGERS = [
  {
    tool: 'apt-get',
    script: `sh '${fileURLToPath(new URL('./install-redis-apt.sh', import.meta.url))}'`,
    manual: 'sudo apt-get update && sudo apt-get install -y redis-server',
  },
  {
    tool: 'dnf',
    script: 'dnf install -y valkey || dnf install -y redis',
    manual: 'sudo dnf install -y valkey || sudo dnf install -y redis',
  },
  {
    tool: 'apk',
    script: 'apk add --no-cache redis || apk add --no-cache valkey',
    manual: 'sudo apk add redis || sudo apk add valkey',
  },
  // Homebrew refuses to run as root, and starts no service unless told to.
  { tool: 'brew', script: 'brew install redis', manual: 'brew install redis', asUser: true },
];

async function commandFor({ script, asUser }) {
  if (asUser || process.getuid() === 0) return ['sh', ['-c', script]];
  // -n: never ask for a password in the middle of a script.
  const { code } = await run('sudo', ['-n', 'true']);
  return code === 0 ? ['sudo', ['-n', 'sh', '-c', script]] : undefined;
}

/** Installs a Redis server by the system's package manager. Returns { installed } or { installed: false, reason }. */
export async function installRedis() {
  const manager = MANAGERS.find(({ tool }) => findExecutable([tool]));
  if (!manager) return { installed: false, reason: 'none of apt-get, dnf, apk and brew is on PATH' };
  const command = await commandFor(manager);
  if (!command) return { installed: false, reason: `no right to install one; run this yourself: ${manager.manual}` };
  step(`Installing a Redis server by ${manager.tool} (its system service stays off)`);
  const { code, output } = await run(...command);
  if (code === 0) return { installed: true };
  note(output.trim().split('\n').slice(-8).join('\n  '));
  return { installed: false, reason: `${manager.tool} failed; what it would have run: ${manager.manual}` };
}
