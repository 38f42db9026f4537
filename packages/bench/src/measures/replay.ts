import { setTimeout as delay } from 'node:timers/promises';
import { formatPosition } from '@unified-ws/protocol';
import { Keys } from '@unified-ws/server/redis/keys';
import { Redis } from 'ioredis';
import { Meter, noise } from '../load/meter.js';
import { NodeProcess, QUIET } from '../load/node.js';
import { pace } from '../load/pace.js';
import { monoMs } from '../load/procfs.js';
import { logPublisher, type Publisher } from '../load/publisher.js';
import { type Counted, Reader } from '../load/reader.js';
import { RedisProcess } from '../load/redis.js';
import { writeUserRequests } from '../load/requests.js';
import { short } from '../load/stats.js';
import { type Context, fileIn, type Row, wanted } from './context.js';

/** Events that each client missed. */
const MISSED = 1000;
const LIVE_RATE = 100;
const LIVE_SECONDS = 6;
/** The clients reconnect during the live traffic. */
const RETURN_AFTER_MS = 1000;
const DELIVERED_MS = 60_000;
const SAMPLED = 50;
const SOURCES = [
  { source: 'window', env: {} },
  { source: 'log', env: { WINDOW_SIZE: '10' } },
] as const;

/**
 * Clients that reconnect all at once, each with the position of MISSED events ago. Measures how long it takes until the last client has
 * everything, and the effect on clients that stayed connected.
 */
export async function replay(context: Context): Promise<Row[]> {
  if (!wanted(context, 'ours')) return [];
  const rows: Row[] = [];
  for (const { source, env } of SOURCES) rows.push(await measure(context, source, env));
  return rows;
}

async function measure(context: Context, source: string, env: Readonly<Record<string, string>>): Promise<Row> {
  const { returning, staying } = context.sizes;
  const redis = await RedisProcess.start();
  const node = await NodeProcess.start('bench-1', redis.url, { ...QUIET, ...env });
  const publisher = await logPublisher(redis.url);
  const [stayingRequests, returningRequests] = [fileIn(context, 'staying.txt'), fileIn(context, 'returning.txt')];
  const common = { program: context.native?.reader ?? null, port: node.port, concurrency: 50 };
  const sampleEvery = Math.max(1, Math.floor(staying / SAMPLED));
  writeUserRequests(stayingRequests, staying);
  const live = new Reader({ ...common, requests: stayingRequests, greetings: 1, sampleEvery });
  let back: Reader | null = null;
  try {
    await live.connect();
    const position = await headOf(redis.url);
    await flow(live, publisher, MISSED);
    const alone = await paced(live, publisher);
    // The clients missed the last of these too: each waits for connection_established and exactly MISSED events.
    writeUserRequests(returningRequests, returning, { first: staying, resume: `${position}~` });
    const missed = MISSED + LIVE_RATE * LIVE_SECONDS;
    const client = new Reader({ ...common, requests: returningRequests, greetings: 1 + missed });
    back = client;
    const meter = new Meter({ server: () => node.cpuMs, redis: () => redis.cpuMs, reader: () => client.cpuMs });
    const meanwhile = paced(live, publisher);
    await delay(RETURN_AFTER_MS);
    meter.start();
    const { ms, establishTimes } = await client.connect();
    const usage = meter.stop(ms);
    const during = await meanwhile;
    const deliveries = returning * missed;
    const values = {
      clients: returning,
      missed,
      all_back_ms: ms,
      deliveries_per_s: (deliveries * 1000) / ms,
      client_p50_ms: establishTimes?.p50 ?? null,
      client_p99_ms: establishTimes?.p99 ?? null,
      server_us_per_delivery: ((usage.cpuMs.server ?? 0) * 1000) / deliveries,
      redis_us_per_delivery: ((usage.cpuMs.redis ?? 0) * 1000) / deliveries,
      live_p99_alone_ms: alone.latency?.p99 ?? null,
      live_p99_meanwhile_ms: during.latency?.p99 ?? null,
      live_missing: staying * LIVE_RATE * LIVE_SECONDS - during.frames,
      foreign_cpus: usage.foreign,
    };
    context.say(
      `replay   ours      ${returning} clients, ${missed} events each from the ${source}: all back after ${short(ms)} ms ` +
        `(${short(values.deliveries_per_s)} deliveries/s, ${short(values.server_us_per_delivery)} us each); live p99 ` +
        `${short(values.live_p99_alone_ms ?? Number.NaN)} ms alone, ${short(values.live_p99_meanwhile_ms ?? Number.NaN)} ms meanwhile` +
        `${values.live_missing === 0 ? '' : `, MISSING ${values.live_missing}`}${noise(usage)}`,
    );
    return { measure: 'replay', server: 'ours', load: source, values, capped_by: usage.bottleneck || 'no part alone' };
  } finally {
    await back?.stop();
    await live.stop();
    await publisher.close();
    await node.stop();
    await redis.stop();
  }
}

/** Some seconds of live traffic. */
async function paced(live: Reader, publisher: Publisher): Promise<Counted> {
  const messages = LIVE_RATE * LIVE_SECONDS;
  const counted = live.count(messages, DELIVERED_MS);
  await pace(LIVE_RATE, messages, (due) => publisher.publish(due));
  await publisher.accepted();
  return counted;
}

/** Events as fast as the clients can take them. */
async function flow(live: Reader, publisher: Publisher, messages: number): Promise<void> {
  const counted = live.count(messages, DELIVERED_MS);
  for (let sent = 0; sent < messages; sent += 1) publisher.publish(monoMs());
  await publisher.accepted();
  await counted;
}

async function headOf(url: string): Promise<string> {
  const redis = new Redis(url);
  try {
    const [epoch, offset, tag] = await redis.hmget(new Keys('uws').logMeta(), 'epoch', 'offset', 'tag');
    return formatPosition(String(epoch), Number(offset), String(tag ?? ''));
  } finally {
    redis.disconnect();
  }
}
