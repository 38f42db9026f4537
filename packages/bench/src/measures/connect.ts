import { writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { Meter, noise } from '../load/meter.js';
import { NodeProcess } from '../load/node.js';
import { Reader } from '../load/reader.js';
import { RedisProcess } from '../load/redis.js';
import { writeUserRequests } from '../load/requests.js';
import { short } from '../load/stats.js';
import { script } from '../load/target.js';
import { type Context, fileIn, type Row, wanted } from './context.js';

/** Simultaneous connects: enough to keep the server busy, but few enough that the time to connection_established is not queueing time. */
const CONCURRENCY = 100;
const START_MS = 10_000;
const SETTLE_MS = 300;
/** Connects before the measured ones, during which the server compiles its code. */
const WARM_UP = 2000;

interface Server {
  readonly port: number;
  readonly cpu: Readonly<Record<string, () => number>>;
  readonly node?: NodeProcess;
  stop(): Promise<void>;
}

const SERVERS: Readonly<Record<string, () => Promise<Server>>> = {
  ws: () => byHand(false),
  'ws+jwt+registry': () => byHand(true),
  ours: async () => {
    const redis = await RedisProcess.start();
    const node = await NodeProcess.start('bench-1', redis.url);
    const cpu = { server: () => node.cpuMs, redis: () => redis.cpuMs };
    return {
      port: node.port,
      cpu,
      node,
      stop: async () => {
        await node.stop();
        await redis.stop();
      },
    };
  },
};

async function byHand(registry: boolean): Promise<Server> {
  const redis = registry ? await RedisProcess.start() : null;
  const child = script('connectMain', redis ? { REDIS_URL: redis.url } : {});
  const { port } = await child.event('listening', START_MS);
  return {
    port: Number(port),
    cpu: { server: () => child.cpuMs, ...(redis ? { redis: () => redis.cpuMs } : {}) },
    stop: async () => {
      await child.stop('SIGKILL');
      await redis?.stop();
    },
  };
}

/** CPU per connect with a token and a claim until connection_established is read, and per close, as fast as possible. */
export async function connects(context: Context): Promise<Row[]> {
  const rows: Row[] = [];
  const requests = fileIn(context, 'requests.txt');
  const warmUp = fileIn(context, 'warm-up.txt');
  writeUserRequests(requests, context.sizes.connections);
  writeUserRequests(warmUp, WARM_UP);
  for (const [name, start] of Object.entries(SERVERS)) {
    if (!wanted(context, name)) continue;
    const server = await start();
    try {
      await warm(context, server, warmUp);
      rows.push(await measure(context, name, server, requests));
    } finally {
      await server.stop();
    }
  }
  return rows;
}

function readerOf(context: Context, { port }: Server, requests: string): Reader {
  const program = context.native?.reader ?? null;
  return new Reader({ program, port, requests, concurrency: CONCURRENCY, greetings: 1 });
}

async function warm(context: Context, server: Server, requests: string): Promise<void> {
  const reader = readerOf(context, server, requests);
  try {
    await reader.connect();
    await reader.close();
    await delay(SETTLE_MS);
  } finally {
    await reader.stop();
  }
}

async function measure(context: Context, name: string, server: Server, requests: string): Promise<Row> {
  const reader = readerOf(context, server, requests);
  const meter = new Meter({ ...server.cpu, reader: () => reader.cpuMs });
  const inspector = context.profile && server.node ? await server.node.inspect() : null;
  try {
    await inspector?.startProfile();
    meter.start();
    const { connected, ms, establishTimes } = await reader.connect();
    await delay(SETTLE_MS);
    const usage = meter.stop(ms);
    if (inspector) writeFileSync(fileIn(context, `connect-${name}.cpuprofile`), await inspector.stopProfile());
    meter.start();
    await reader.close();
    await delay(SETTLE_MS);
    const closing = meter.stop();
    const per = (cpuMs: number | undefined): number | null => (cpuMs === undefined ? null : (cpuMs * 1000) / connected);
    const values = {
      connections: connected,
      server_us_per_connect: per(usage.cpuMs.server),
      redis_us_per_connect: per(usage.cpuMs.redis),
      reader_us_per_connect: per(usage.cpuMs.reader),
      connects_per_s: (connected * 1000) / ms,
      established_p50_ms: establishTimes?.p50 ?? null,
      established_p99_ms: establishTimes?.p99 ?? null,
      server_us_per_close: per(closing.cpuMs.server),
      redis_us_per_close: per(closing.cpuMs.redis),
      foreign_cpus: usage.foreign,
    };
    const figure = (value: number | null): string => short(value ?? Number.NaN);
    context.say(
      `connect  ${name.padEnd(15)} ${figure(values.server_us_per_connect)} us server, ` +
        `${figure(values.redis_us_per_connect)} us Redis, ${figure(values.connects_per_s)} connects/s, ` +
        `established p50 ${figure(values.established_p50_ms)} ms, p99 ${figure(values.established_p99_ms)} ms; ` +
        `close ${figure(values.server_us_per_close)} us${noise(usage)}`,
    );
    const cap = usage.bottleneck || `${CONCURRENCY} connects at a time`;
    return { measure: 'connect', server: name, load: `${connected} at once`, values, capped_by: cap };
  } finally {
    inspector?.close();
    await reader.stop();
  }
}
