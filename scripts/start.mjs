// npm start [-- --nodes 4 --port 9000 ...]: a cluster on one port, with a Redis of its own, on a machine that has only
// Node.js and npm. Every setting of the node works here too, as environment variable or flag: see docs/CONFIG.md.
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { build } from './lib/build.mjs';
import { nodeMain } from './lib/bundle.mjs';
import { ensureDependencies } from './lib/dependencies.mjs';
import { devSecret, parseLifetime, signToken } from './lib/dev-tokens.mjs';
import { entry, Stop } from './lib/entry.mjs';
import { findRedis } from './lib/find-redis.mjs';
import { environmentWith } from './lib/flags.mjs';
import { dataDir, root } from './lib/paths.mjs';
import { freePort, whyPortIsTaken } from './lib/ports.mjs';
import { hasEnded, killGroup, onStopSignals, spawnOwned, stopOwned } from './lib/processes.mjs';
import { startRedis } from './lib/start-redis.mjs';
import { duration, note, step, warn } from './lib/terminal.mjs';
import { welcome } from './lib/welcome.mjs';

const READY_DEADLINE_MS = 60_000;

/** What the node gets: the environment and flags as given, and the defaults of `npm start` where they say nothing. */
async function nodeEnvironment(flags) {
  const given = environmentWith(flags);
  const keyed = given.JWT_SECRET || given.JWT_PUBLIC_KEY || given.JWT_JWKS_URL;
  return {
    ...given,
    NODES: given.NODES || '2',
    // A cluster to try things on: other machines get in by `--host 0.0.0.0` alone.
    HOST: given.HOST || '127.0.0.1',
    // 0 means any: chosen here, as it must be printed.
    PORT: given.PORT === '0' ? String(await freePort()) : given.PORT || '8080',
    ...(keyed ? {} : { JWT_SECRET: devSecret() }),
  };
}

async function requirePort({ PORT, HOST }) {
  const reason = await whyPortIsTaken(Number(PORT), HOST || '0.0.0.0');
  if (!reason) return;
  const what = reason === 'EADDRINUSE' ? `Port ${PORT} is in use by another program` : `Port ${PORT}: ${reason}`;
  throw new Stop(`${what}. Choose another one: npm start -- --port 9000`);
}

function startNodes(flags, env, logFile) {
  const log = fs.openSync(logFile, 'w');
  // The last of two equal flags wins: `--port 0` was resolved above.
  const args = [nodeMain, ...flags, '--port', env.PORT];
  const child = spawnOwned(process.execPath, args, { stdout: log, stderr: log, env, cwd: root });
  fs.closeSync(log);
  return child;
}

function lastLines(logFile, count) {
  return fs.readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-count).join('\n');
}

/** GET /readyz; the answer's text, or why there was none. */
async function readiness(url) {
  try {
    const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(2000) });
    return { ready: response.status === 200, text: await response.text() };
  } catch (error) {
    return { ready: false, text: String(error.cause ?? error) };
  }
}

async function untilReady(nodes, { url, logFile, stopping }) {
  const deadline = Date.now() + READY_DEADLINE_MS;
  for (;;) {
    const { ready, text } = await readiness(url);
    if (ready || stopping()) return;
    if (hasEnded(nodes)) throw new Stop(`The cluster did not start. The end of ${logFile}:\n${lastLines(logFile, 20)}`);
    if (Date.now() > deadline) throw new Stop(`The cluster does not become ready: ${text}\nSee ${logFile}`);
    await delay(100);
  }
}

function baseUrl({ HOST, PORT }) {
  const host = !HOST || HOST === '0.0.0.0' || HOST === '::' ? '127.0.0.1' : HOST;
  return `http://${host.includes(':') ? `[${host}]` : host}:${PORT}`;
}

/** Three tokens signed with the cluster's secret; none when only a foreign issuer can sign. */
function tokens(env) {
  if (!env.JWT_SECRET) return undefined;
  const token = (sub, role) => signToken({ sub, roles: [role], lifetime: parseLifetime('12h') }, env);
  return { admin: token('admin-1', 'admin'), 'user-1': token('user-1', 'user'), 'user-2': token('user-2', 'user') };
}

entry(async (flags) => {
  const began = performance.now();
  const env = await nodeEnvironment(flags);
  await requirePort(env);
  await ensureDependencies();
  step('Building');
  await build({ packagesOnly: true });

  let nodes;
  let redis;
  let stopping = false;
  const stop = async () => {
    if (stopping) {
      warn('stopped without waiting for connections to close');
      for (const child of [nodes, redis?.child]) if (child && !hasEnded(child)) killGroup(child);
      process.exit(130);
    }
    stopping = true;
    step('Stopping (press Ctrl-C again to stop at once)');
    // Redis last: nodes release their leases on the way out.
    const inTime = !nodes || (await stopOwned(nodes, Number(env.DRAIN_MS || 5000) + 10_000));
    await redis?.stop();
    process.exit(inTime ? 0 : 1);
  };

  if (!env.REDIS_URL) {
    const server = await findRedis();
    step(
      `Starting Redis (${server.kind === 'docker' ? `Docker, ${server.image}` : `${server.path} ${server.version}`})`,
    );
    redis = await startRedis(server);
    env.REDIS_URL = redis.url;
    note(`${redis.url}, data in ${path.relative(root, dataDir)}/redis`);
  }
  onStopSignals(stop);
  step(`Starting ${env.NODES} node${env.NODES === '1' ? '' : 's'} on port ${env.PORT}`);
  const logFile = path.join(dataDir, `nodes-${env.PORT}.log`);
  nodes = startNodes(flags, env, logFile);
  const ended = Promise.race([nodes, redis?.child].filter(Boolean).map((child) => once(child, 'exit')));
  const url = baseUrl(env);
  await untilReady(nodes, { url, logFile, stopping: () => stopping });
  if (stopping) return;
  step(`Ready in ${duration(performance.now() - began)}`);
  console.log(welcome({ url, tokens: tokens(env), logFile: path.relative(root, logFile), redis: env.REDIS_URL }));

  await ended;
  if (stopping) return;
  stopping = true;
  warn(hasEnded(nodes) ? 'The cluster stopped by itself' : 'Redis stopped by itself');
  note(lastLines(logFile, 10));
  await stopOwned(nodes, 15_000);
  await redis?.stop();
  process.exit(1);
});
