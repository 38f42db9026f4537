import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Stop } from './entry.mjs';
import { dataDir } from './paths.mjs';
import { freePort } from './ports.mjs';
import { hasEnded, run, spawnOwned, stopOwned } from './processes.mjs';
import { note } from './terminal.mjs';

const START_DEADLINE_MS = 30_000;
/** Docker may have to fetch the image first. */
const DOCKER_DEADLINE_MS = 300_000;
const STOP_GRACE_MS = 10_000;

/** One inline command; resolves to the raw reply, undefined when nobody answers within two seconds. */
async function ask(port, command) {
  const socket = net.connect({ port, host: '127.0.0.1' });
  socket.setEncoding('utf8').setTimeout(2000, () => socket.destroy());
  let reply = '';
  socket.on('data', (chunk) => (reply += chunk));
  socket.on('connect', () => socket.write(`${command}\r\nQUIT\r\n`));
  try {
    await once(socket, 'close');
  } catch (error) {
    // Refused or reset: nobody serves there (yet). What the caller does with that is his decision.
    if (!['ECONNREFUSED', 'ECONNRESET', 'EPIPE'].includes(error.code)) throw error;
    return undefined;
  }
  return reply || undefined;
}

async function pidServing(port) {
  const [, pid] = /process_id:(\d+)/.exec((await ask(port, 'INFO server')) ?? '') ?? [];
  return Number(pid);
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Somebody else's process is alive too.
    return error.code === 'EPERM';
  }
}

/**
 * Two servers on one folder would ruin its files. The record of the last start tells whether one is still there: with
 * its owner alive it is in use, without (everything was killed at once) it is left over and ended.
 */
async function clearLeftOver(record) {
  if (!fs.existsSync(record)) return;
  const last = JSON.parse(fs.readFileSync(record, 'utf8'));
  // The pid alone may belong to somebody else by now: the server itself must say that it is the one.
  if ((await pidServing(last.port)) !== last.pid) return;
  if (isAlive(last.owner)) {
    throw new Stop(
      `This checkout's Redis is in use by process ${last.owner} (another npm start?). End that one first, ` +
        'or give this one a Redis of its own with REDIS_URL.',
    );
  }
  note(`ending a Redis server left over from an earlier run (port ${last.port})`);
  if (last.container) await run('docker', ['stop', last.container]);
  else process.kill(last.pid, 'SIGTERM');
  for (let waited = 0; (await pidServing(last.port)) === last.pid; waited += 50) {
    if (waited > STOP_GRACE_MS) throw new Stop(`The left-over Redis server on port ${last.port} does not end.`);
    await delay(50);
  }
}

function commandLine(redis, port, dir, container) {
  // AOF and noeviction: queued events and the registry must outlive a restart, and BullMQ must not lose keys.
  const settings = ['--appendonly', 'yes', '--maxmemory-policy', 'noeviction', '--save', ''];
  if (redis.kind === 'binary') {
    return [
      redis.path,
      ['--bind', '127.0.0.1', '--port', String(port), '--dir', dir, '--daemonize', 'no', ...settings],
    ];
  }
  // Our user: what the container writes below .data must be ours to delete.
  const user = `${process.getuid()}:${process.getgid()}`;
  const docker = ['run', '--rm', '--init', '--name', container, '--user', user];
  const reach = ['-p', `127.0.0.1:${port}:6379`, '-v', `${dir}:/data`, redis.image];
  const inside = ['redis-server', '--bind', '0.0.0.0', '--protected-mode', 'no', '--dir', '/data', ...settings];
  return [redis.path, [...docker, ...reach, ...inside]];
}

/**
 * Starts a private Redis on a free port of 127.0.0.1, data below `.data/redis/<name>`. It ends with this process,
 * even when that is killed. `redis` comes from findRedis().
 */
export async function startRedis(redis, { name = 'start' } = {}) {
  const dir = path.join(dataDir, 'redis', name);
  const record = path.join(dataDir, 'redis', `${name}.json`);
  const logFile = path.join(dataDir, 'redis', `${name}.log`);
  await clearLeftOver(record);
  fs.mkdirSync(dir, { recursive: true });
  const port = await freePort();
  const log = fs.openSync(logFile, 'w');
  const container = redis.kind === 'docker' ? `unified-ws-redis-${port}` : undefined;
  const [command, args] = commandLine(redis, port, dir, container);
  const child = spawnOwned(command, args, { stdout: log, stderr: log });
  fs.closeSync(log);
  const stop = () => stopOwned(child, STOP_GRACE_MS);
  const deadline = Date.now() + (container ? DOCKER_DEADLINE_MS : START_DEADLINE_MS);
  // +PONG comes only after the append-only file is loaded.
  while (!(await ask(port, 'PING'))?.startsWith('+PONG')) {
    if (hasEnded(child) || Date.now() > deadline) {
      await stop();
      throw new Stop(`Redis did not start:\n${fs.readFileSync(logFile, 'utf8').slice(-2000)}`);
    }
    await delay(50);
  }
  fs.writeFileSync(record, JSON.stringify({ owner: process.pid, pid: await pidServing(port), port, container }));
  return { url: `redis://127.0.0.1:${port}`, port, child, stop };
}
