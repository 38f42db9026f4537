import { writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { REST_BASE } from '@unified-ws/protocol';
import { HttpPool, postRequest } from '../load/httpPool.js';
import { EVENT_TYPE, eventData } from '../load/message.js';
import { Meter, noise } from '../load/meter.js';
import { NodeProcess, QUIET } from '../load/node.js';
import { pace } from '../load/pace.js';
import { monoMs } from '../load/procfs.js';
import { Reader } from '../load/reader.js';
import { RedisProcess } from '../load/redis.js';
import { publisherToken, writeUserRequests } from '../load/requests.js';
import { short } from '../load/stats.js';
import { WsPublisher } from '../load/wsPublisher.js';
import { type Context, fileIn, type Row, wanted } from './context.js';

/** Events that are published before the measurement, to warm up code and open connections. */
const WARM_UP = 2000;
const PER_BATCH = 50;
const SINGLES_UNDER_WAY = 64;
const BATCHES_UNDER_WAY = 16;
const WS_PUBLISHERS = 4;
const WS_UNDER_WAY = 100;
const STEADY_PER_S = 1000;
const DELIVERED_MS = 60_000;
/** Work after the last delivery that still belongs to the run. */
const TRAIL_MS = 200;
const PATH = `${REST_BASE}/events`;
const TOKEN = publisherToken();

interface Load {
  readonly name: string;
  readonly events: number;
  /** Resolves when all is accepted. */
  readonly publish: () => Promise<void>;
}

/** Events per second from the publish to the last delivery, latency at a steady rate, and CPU per event. */
export async function queue(context: Context): Promise<Row[]> {
  if (!wanted(context, 'ours')) return [];
  const redis = await RedisProcess.start();
  const node = await NodeProcess.start('bench-1', redis.url, QUIET);
  const requests = fileIn(context, 'requests.txt');
  writeUserRequests(requests, 1);
  const reader = new Reader({
    program: context.native?.reader ?? null,
    port: node.port,
    requests,
    concurrency: 1,
    greetings: 1,
    sampleEvery: 1,
  });
  const pool = new HttpPool(node.port);
  const sockets = await Promise.all(
    Array.from({ length: WS_PUBLISHERS }, (_, index) =>
      WsPublisher.open(node.port, WS_UNDER_WAY, `publisher-${index}`),
    ),
  );
  const meter = new Meter({ server: () => node.cpuMs, redis: () => redis.cpuMs, reader: () => reader.cpuMs });
  const rows: Row[] = [];
  try {
    await reader.connect();
    await run(reader, singles(pool, WARM_UP));
    for (const load of loads(context, pool, sockets)) {
      const inspector = context.profile ? await node.inspect() : null;
      await inspector?.startProfile();
      meter.start();
      const began = monoMs();
      const counted = await run(reader, load);
      const tookMs = counted.last - began;
      await delay(TRAIL_MS);
      const usage = meter.stop(tookMs);
      if (inspector) {
        const name = load.name.replaceAll(/\W+/g, '-');
        writeFileSync(fileIn(context, `queue-${name}.cpuprofile`), await inspector.stopProfile());
        inspector.close();
      }
      const values = {
        events: load.events,
        missing: load.events - counted.frames,
        events_per_s: (counted.frames * 1000) / tookMs,
        server_us_per_event: ((usage.cpuMs.server ?? 0) * 1000) / load.events,
        redis_us_per_event: ((usage.cpuMs.redis ?? 0) * 1000) / load.events,
        latency_p50_ms: counted.latency?.p50 ?? null,
        latency_p99_ms: counted.latency?.p99 ?? null,
        latency_max_ms: counted.latency?.max ?? null,
        foreign_cpus: usage.foreign,
      };
      context.say(
        `queue    ours      ${load.name.padEnd(16)} ${short(values.events_per_s)} events/s, ` +
          `${short(values.server_us_per_event)} + ${short(values.redis_us_per_event)} us server + Redis per event, ` +
          `p50 ${short(values.latency_p50_ms ?? Number.NaN)} ms, p99 ${short(values.latency_p99_ms ?? Number.NaN)} ms` +
          `${values.missing === 0 ? '' : `, MISSING ${values.missing}`}${noise(usage)}`,
      );
      rows.push({
        measure: 'queue',
        server: 'ours',
        load: load.name,
        values,
        capped_by: usage.bottleneck || 'waiting',
      });
    }
  } finally {
    for (const socket of sockets) socket.close();
    pool.close();
    await reader.stop();
    await node.stop();
    await redis.stop();
  }
  return rows;
}

function loads(context: Context, pool: HttpPool, sockets: readonly WsPublisher[]): readonly Load[] {
  const { queued, seconds } = context.sizes;
  const batches = Math.ceil((queued * 2) / PER_BATCH);
  const each = Math.ceil(queued / sockets.length);
  const steady = STEADY_PER_S * seconds;
  return [
    singles(pool, queued),
    {
      name: 'singles ws',
      events: each * sockets.length,
      publish: async () => {
        await Promise.all(sockets.map((socket) => socket.publish(each, monoMs)));
      },
    },
    batchesOf(pool, batches, 'one key', () => 'key'),
    batchesOf(pool, batches, `${BATCHES_UNDER_WAY} keys`, (index) => `key-${index % BATCHES_UNDER_WAY}`),
    {
      name: `steady ${STEADY_PER_S}/s`,
      events: steady,
      publish: async () => {
        const accepted: Promise<void>[] = [];
        await pace(STEADY_PER_S, steady, (due) => accepted.push(post(pool, body(due))));
        await Promise.all(accepted);
      },
    },
  ];
}

function singles(pool: HttpPool, events: number): Load {
  const publish = (): Promise<void> => underWay(events, SINGLES_UNDER_WAY, () => post(pool, body(monoMs())));
  return { name: 'singles rest', events, publish };
}

/** One worker keeps the order of a key, so one key carries less than the whole queue. */
function batchesOf(pool: HttpPool, batches: number, keys: string, keyOf: (index: number) => string): Load {
  let sent = 0;
  const send = (): Promise<void> => {
    const ordering_key = keyOf(sent);
    sent += 1;
    return post(
      pool,
      Array.from({ length: PER_BATCH }, () => ({ ...body(monoMs()), ordering_key })),
    );
  };
  return {
    name: `batches, ${keys}`,
    events: batches * PER_BATCH,
    publish: () => underWay(batches, BATCHES_UNDER_WAY, send),
  };
}

async function run(reader: Reader, { events, publish }: Load) {
  const counted = reader.count(events, DELIVERED_MS);
  await publish();
  return counted;
}

async function underWay(times: number, limit: number, work: () => Promise<void>): Promise<void> {
  let left = times;
  const one = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await work();
    }
  };
  await Promise.all(Array.from({ length: limit }, one));
}

function body(due: number): object {
  return { event_type: EVENT_TYPE, data: eventData(due) };
}

async function post(pool: HttpPool, events: object): Promise<void> {
  const status = await pool.send(postRequest(PATH, TOKEN, JSON.stringify(events)));
  if (status !== 202) throw new Error(`a publish was answered with ${status}`);
}
