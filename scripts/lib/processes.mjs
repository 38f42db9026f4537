import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';

/**
 * Becomes the command that is its argument, and ends it when the parent is gone: the parent holds the other end of
 * standard input, so even `kill -9` closes it. A line (written when the command ended by itself) calls the watch off.
 */
const OWNED = 'exec 3<&0; { read -r _ <&3 || kill -TERM $$; } >/dev/null 2>&1 & exec "$@" </dev/null 3<&-';

/** The first of `names` found on PATH or in `extraDirs`, as an absolute path. */
export function findExecutable(names, extraDirs = []) {
  const dirs = [...extraDirs, ...(process.env.PATH ?? '').split(path.delimiter)].filter(Boolean);
  for (const name of names) {
    for (const dir of dirs) {
      const file = path.join(dir, name);
      try {
        fs.accessSync(file, fs.constants.X_OK);
        if (fs.statSync(file).isFile()) return file;
      } catch (error) {
        if (!['ENOENT', 'ENOTDIR', 'EACCES'].includes(error.code)) throw error;
      }
    }
  }
  return undefined;
}

/** Replaces what is done on Ctrl-C, SIGTERM and the closing of the terminal. */
export function onStopSignals(handler) {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.removeAllListeners(signal);
    process.on(signal, handler);
  }
}

/** Runs a command to its end. `show` passes its output on; else it comes back in `output`. It does not outlive us. */
export async function run(command, args, { show = false, ...options } = {}) {
  const child = spawn(command, args, { stdio: show ? 'inherit' : ['ignore', 'pipe', 'pipe'], ...options });
  const end = () => child.kill();
  process.once('exit', end);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (output += chunk));
  try {
    const [code, signal] = await once(child, 'close');
    return { code: code ?? 128, signal, output };
  } catch (error) {
    return { code: 127, signal: null, output: error.message };
  } finally {
    process.removeListener('exit', end);
  }
}

/**
 * Starts a long-lived command that ends with this process, however this process ends. It has a process group of its
 * own: Ctrl-C reaches only us, and we end things in the right order.
 */
export function spawnOwned(command, args, { stdout = 'inherit', stderr = 'inherit', ...options } = {}) {
  const child = spawn('sh', ['-c', OWNED, 'owned', command, ...args], {
    ...options,
    detached: true,
    stdio: ['pipe', stdout, stderr],
  });
  child.stdin.on('error', (error) => {
    // Nobody reads any more: the command ended and took its watch along.
    if (!['EPIPE', 'ECONNRESET'].includes(error.code)) throw error;
  });
  child.once('exit', () => child.stdin.end('\n'));
  return child;
}

export function hasEnded(child) {
  return child.exitCode !== null || child.signalCode !== null;
}

/** SIGTERM, and after `graceMs` SIGKILL to the whole process group. Tells whether SIGTERM was enough. */
export async function stopOwned(child, graceMs) {
  if (hasEnded(child)) return true;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  let inTime = true;
  const timer = setTimeout(() => {
    inTime = false;
    killGroup(child);
  }, graceMs);
  await ended;
  clearTimeout(timer);
  return inTime;
}

/** SIGKILL for an owned command and all that it started. */
export function killGroup(child) {
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch (error) {
    // It ended between the decision and this line.
    if (error.code !== 'ESRCH') throw error;
  }
}
