import { Meter, noise } from '../load/meter.js';
import { NodeProcess } from '../load/node.js';
import { type Counted, Reader } from '../load/reader.js';
import { RedisProcess } from '../load/redis.js';
import { writeUserRequests } from '../load/requests.js';
import { short } from '../load/stats.js';
import { type Context, fileIn, type Row, wanted } from './context.js';

/** Users who move to the other node per second. */
const MOVES_PER_S = 250;
const REPLACED = '4001';
const CONCURRENCY = 100;

/** From connect(2) on one node to connection_established. By then the other node has closed its connection of the user. */
export async function replacement(context: Context): Promise<Row[]> {
  if (!wanted(context, 'ours')) return [];
  const redis = await RedisProcess.start();
  const [one, other] = [
    await NodeProcess.start('bench-1', redis.url),
    await NodeProcess.start('bench-2', redis.url),
  ] as const;
  const requests = fileIn(context, 'requests.txt');
  writeUserRequests(requests, context.sizes.moves);
  const common = { program: context.native?.reader ?? null, requests, concurrency: CONCURRENCY, greetings: 1 };
  // The first two runs warm both nodes up, which compile their code meanwhile.
  const first = new Reader({ ...common, port: one.port });
  const staying = new Reader({ ...common, port: other.port });
  const moving = new Reader({ ...common, port: one.port, rate: MOVES_PER_S });
  try {
    await first.connect();
    await staying.connect();
    const meter = new Meter({
      server: () => one.cpuMs + other.cpuMs,
      redis: () => redis.cpuMs,
      reader: () => moving.cpuMs + staying.cpuMs,
    });
    meter.start();
    const { connected, establishTimes, ms } = await moving.connect();
    const usage = meter.stop();
    const left: Counted = await staying.report();
    const replaced = left.closes[REPLACED] ?? 0;
    const values = {
      moves: connected,
      replaced,
      moves_per_s: (connected * 1000) / ms,
      established_p50_ms: establishTimes?.p50 ?? null,
      established_p99_ms: establishTimes?.p99 ?? null,
      established_max_ms: establishTimes?.max ?? null,
      server_us_per_move: ((usage.cpuMs.server ?? 0) * 1000) / connected,
      redis_us_per_move: ((usage.cpuMs.redis ?? 0) * 1000) / connected,
      foreign_cpus: usage.foreign,
    };
    const wrong = replaced === connected ? '' : `, ONLY ${replaced} closed with ${REPLACED}`;
    const figure = (value: number | null): string => short(value ?? Number.NaN);
    context.say(
      `replacement ours      ${figure(values.established_p50_ms)} ms p50, ${figure(values.established_p99_ms)} ms p99, ` +
        `${figure(values.established_max_ms)} ms max at ${figure(values.moves_per_s)} moves/s; ` +
        `${figure(values.server_us_per_move)} us both nodes, ${figure(values.redis_us_per_move)} us Redis${wrong}${noise(usage)}`,
    );
    const cap = usage.bottleneck || 'the offered rate';
    return [{ measure: 'replacement', server: 'ours', load: `${MOVES_PER_S}/s`, values, capped_by: cap }];
  } finally {
    await first.stop();
    await staying.stop();
    await moving.stop();
    await Promise.all([one.stop(), other.stop()]);
    await redis.stop();
  }
}
