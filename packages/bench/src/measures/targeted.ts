import { writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Child } from '../load/child.js';
import { Meter, noise } from '../load/meter.js';
import { NodeProcess, QUIET } from '../load/node.js';
import { pace } from '../load/pace.js';
import { monoMs } from '../load/procfs.js';
import { Reader } from '../load/reader.js';
import { RedisProcess } from '../load/redis.js';
import { writePlainRequests, writeUserRequests } from '../load/requests.js';
import { short } from '../load/stats.js';
import { oursWire, SOCKET_IO_WIRE, TargetedPublisher, type TargetedWire } from '../load/targetedPublisher.js';
import { type Context, fileIn, type Row, wanted } from './context.js';

/** Each is on one node and gets the same number of events; together they use all lanes. */
const USERS = 1000;
const RATE = 1000;
/** Events of the burst for each user. */
const BURST_EACH = 20;
const START_MS = 10_000;
const DELIVERED_MS = 60_000;
/** Work after the last delivery that still belongs to the run. */
const TRAIL_MS = 200;

/** Two servers over one Redis. The publisher is connected to the first one, all users to the second one. */
interface Pair {
  readonly near: number;
  readonly far: number;
  readonly wire: TargetedWire;
  /** CPU of both servers, milliseconds. */
  readonly cpuMs: () => number;
  readonly redis: RedisProcess;
  readonly writeRequests: (file: string, users: number) => void;
  readonly greetings: number;
  readonly after?: Buffer;
  /** Share of events that were appended without a job; null: the server has no queue. */
  readonly direct: () => Promise<number | null>;
  readonly profile?: () => Promise<() => Promise<void>>;
  readonly stop: () => Promise<void>;
}

const PAIRS: Readonly<Record<string, (context: Context) => Promise<Pair>>> = {
  ours: (context) => ours(context, { EVENT_QUEUE: 'auto' }),
  'ours-queue': (context) => ours(context, { EVENT_QUEUE: 'always' }),
  'ours-ephemeral': (context) => ours(context, {}, true),
  'socket.io': () => socketIo(),
};

/** Server and Redis CPU per event for one user on another node, latency at a steady rate, and the rate of a burst. */
export async function targeted(context: Context): Promise<Row[]> {
  const rows: Row[] = [];
  for (const [name, start] of Object.entries(PAIRS)) {
    if (!wanted(context, name)) continue;
    const pair = await start(context);
    try {
      rows.push(...(await measure(context, name, pair)));
    } finally {
      await pair.stop();
    }
  }
  return rows;
}

async function measure(context: Context, name: string, pair: Pair): Promise<Row[]> {
  const requests = fileIn(context, 'requests.txt');
  pair.writeRequests(requests, USERS);
  const reader = new Reader({
    program: context.native?.reader ?? null,
    port: pair.far,
    requests,
    concurrency: 50,
    greetings: pair.greetings,
    sampleEvery: 1,
    ...(pair.after ? { after: pair.after } : {}),
  });
  const publisher = await TargetedPublisher.open(pair.near, pair.wire);
  const meter = new Meter({ server: pair.cpuMs, redis: () => pair.redis.cpuMs, reader: () => reader.cpuMs });
  const rows: Row[] = [];
  try {
    await reader.connect();
    const paced = RATE * context.sizes.seconds;
    const loads = [
      // Warms up code and connections.
      { load: 'warm-up', events: USERS * 2, send: () => pace(RATE * 2, USERS * 2, publish(publisher)) },
      { load: `steady ${RATE}/s`, events: paced, send: () => pace(RATE, paced, publish(publisher)) },
      { load: 'burst', events: USERS * BURST_EACH, send: () => burst(publisher) },
    ];
    for (const { load, events, send } of loads) {
      const endProfile = context.profile && load.startsWith('steady') ? await pair.profile?.() : undefined;
      meter.start();
      const began = monoMs();
      const counting = reader.count(events / USERS, DELIVERED_MS);
      await send();
      await publisher.settled();
      const counted = await counting;
      const tookMs = counted.last - began;
      await delay(TRAIL_MS);
      const usage = meter.stop(tookMs);
      await endProfile?.();
      if (load === 'warm-up') continue;
      const direct = await pair.direct();
      const values = {
        events,
        missing: events - counted.frames,
        events_per_s: (counted.frames * 1000) / tookMs,
        server_us_per_event: ((usage.cpuMs.server ?? 0) * 1000) / events,
        redis_us_per_event: ((usage.cpuMs.redis ?? 0) * 1000) / events,
        latency_p50_ms: counted.latency?.p50 ?? null,
        latency_p99_ms: counted.latency?.p99 ?? null,
        latency_max_ms: counted.latency?.max ?? null,
        direct_share: direct,
        foreign_cpus: usage.foreign,
      };
      context.say(
        `targeted ${name.padEnd(14)} ${load.padEnd(13)} ${short(values.events_per_s)} events/s, ` +
          `${short(values.server_us_per_event)} + ${short(values.redis_us_per_event)} us server + Redis per event, ` +
          `p50 ${short(values.latency_p50_ms ?? Number.NaN)} ms, p99 ${short(values.latency_p99_ms ?? Number.NaN)} ms` +
          `${direct === null ? '' : `, direct ${(direct * 100).toFixed(1)} %`}` +
          `${values.missing === 0 ? '' : `, MISSING ${values.missing}`}${noise(usage)}`,
      );
      rows.push({ measure: 'targeted', server: name, load, values, capped_by: usage.bottleneck || 'the offered rate' });
    }
  } finally {
    publisher.close();
    await reader.stop();
  }
  return rows;
}

/** One event for each user in turn. */
function publish(publisher: TargetedPublisher): (due: number) => void {
  let next = 0;
  return (due) => {
    publisher.publish(`user-${next % USERS}`, due);
    next += 1;
  };
}

async function burst(publisher: TargetedPublisher): Promise<void> {
  const send = publish(publisher);
  const due = monoMs();
  for (let sent = 0; sent < USERS * BURST_EACH; sent += 1) send(due);
}

async function ours(context: Context, env: Readonly<Record<string, string>>, ephemeral = false): Promise<Pair> {
  const redis = await RedisProcess.start();
  const settings = { ...QUIET, ...env };
  const [near, far] = await Promise.all(['bench-1', 'bench-2'].map((id) => NodeProcess.start(id, redis.url, settings)));
  if (near === undefined || far === undefined) throw new Error('a node is missing');
  return {
    near: near.port,
    far: far.port,
    wire: oursWire(ephemeral),
    cpuMs: () => near.cpuMs + far.cpuMs,
    redis,
    writeRequests: writeUserRequests,
    greetings: 1,
    direct: async () => {
      if (ephemeral) return null;
      const metrics = await (await fetch(`http://127.0.0.1:${near.port}/metrics`)).text();
      const sum = (way: string): number =>
        [...metrics.matchAll(new RegExp(`^uws_events_accepted_total\\{.*way="${way}".*\\} (\\d+)$`, 'gm'))].reduce(
          (total, [, count]) => total + Number(count),
          0,
        );
      const direct = sum('direct');
      return direct / Math.max(1, direct + sum('queued'));
    },
    profile: async () => {
      const inspectors = await Promise.all([near, far].map((node) => node.inspect()));
      await Promise.all(inspectors.map((inspector) => inspector.startProfile()));
      return async () => {
        for (const [index, inspector] of inspectors.entries()) {
          const file = fileIn(
            context,
            `targeted-${ephemeral ? 'ephemeral-' : ''}${index === 0 ? 'near' : 'far'}.cpuprofile`,
          );
          writeFileSync(file, await inspector.stopProfile());
          inspector.close();
        }
      };
    },
    stop: async () => {
      await Promise.all([near.stop(), far.stop()]);
      await redis.stop();
    },
  };
}

async function socketIo(): Promise<Pair> {
  const redis = await RedisProcess.start();
  const main = fileURLToPath(new URL('../peers/targetedMain.js', import.meta.url));
  const servers = ['near', 'far'].map((name) => new Child(name, process.execPath, [main, redis.url]));
  const ports = await Promise.all(servers.map((server) => server.event('listening', START_MS)));
  const [near, far] = ports.map(({ port }) => Number(port));
  if (near === undefined || far === undefined) throw new Error('a server is missing');
  const path = '/socket.io/?EIO=4&transport=websocket&user=';
  return {
    near,
    far,
    wire: SOCKET_IO_WIRE,
    cpuMs: () => servers.reduce((sum, server) => sum + server.cpuMs, 0),
    redis,
    writeRequests: (file, users) => writePlainRequests(file, users, (index) => `${path}user-${index}`),
    // Engine.IO's "open" and Socket.IO's answer to the connect packet.
    greetings: 2,
    after: Buffer.from([0x81, 0x82, 0, 0, 0, 0, ...Buffer.from('40')]),
    direct: async () => null,
    stop: async () => {
      await Promise.all(servers.map((server) => server.stop('SIGKILL')));
      await redis.stop();
    },
  };
}
