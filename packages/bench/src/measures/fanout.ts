import { writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { Meter, noise, type Usage } from '../load/meter.js';
import { monoMs } from '../load/procfs.js';
import { type Counted, Reader } from '../load/reader.js';
import { median, short } from '../load/stats.js';
import { TARGETS, type Target } from '../load/target.js';
import { type Context, fileIn, type Row, wanted } from './context.js';

const RATES = [20, 100, 300] as const;
/** A server that falls behind takes many times the length of its run to deliver it. */
const SLOW_SECONDS: Readonly<Record<number, number>> = { 20: 5, 100: 3, 300: 1 };
/** One burst is shorter than a tick of /proc, so a figure needs several. */
const BURSTS = 12;
const DELIVERED_MS = 60_000;
const SAMPLED = 50;
/** Work after the last delivery that still belongs to the run. */
const TRAIL_MS = 200;
const IDLE_MS = 2000;
/** A paced run that takes this many times its length fell behind. */
const BEHIND = 1.1;
/** Neither a process nor the machine was busy all the time: they waited for each other. */
const NOTHING_ALONE = 'no part alone: they waited for each other';

/** Server CPU per delivered message, latency, and rate of a burst, for the same bytes to the same number of sockets. */
export async function fanout(context: Context): Promise<Row[]> {
  const rows: Row[] = [];
  for (const [name, start] of Object.entries(TARGETS)) {
    if (!wanted(context, name)) continue;
    const target = await start(context);
    if (!target) {
      context.say(`fan-out  ${name}: left out, there is no C compiler here`);
      continue;
    }
    try {
      rows.push(...(await measure(context, target)));
    } finally {
      await target.stop();
    }
  }
  return rows;
}

async function measure(context: Context, target: Target): Promise<Row[]> {
  const { subscribers, seconds, burst } = context.sizes;
  const requests = fileIn(context, 'requests.txt');
  target.writeRequests(requests, subscribers);
  const reader = new Reader({
    program: context.native?.reader ?? null,
    port: target.port,
    requests,
    concurrency: 50,
    greetings: target.greetings,
    sampleEvery: Math.max(1, Math.floor(subscribers / SAMPLED)),
    ...(target.after ? { after: target.after } : {}),
  });
  const rows: Row[] = [];
  try {
    await reader.connect();
    const load = { context, target, reader, meter: new Meter({ ...target.cpu, reader: () => reader.cpuMs }) };
    rows.push(await idle(load));
    for (const rate of RATES) {
      const length = Math.min(seconds, target.slow ? (SLOW_SECONDS[rate] ?? seconds) : seconds);
      rows.push(await profiled(load, `fanout-${target.name}-${rate}`, () => paced(load, rate, length)));
    }
    rows.push(await profiled(load, `fanout-${target.name}-burst`, () => bursts(load, burst, target.slow ? 1 : BURSTS)));
  } finally {
    await reader.stop();
  }
  return rows;
}

interface Load {
  readonly context: Context;
  readonly target: Target;
  readonly reader: Reader;
  readonly meter: Meter;
}

/** CPU of the server without deliveries: beats, watchdogs, queues. Every paced figure includes it. */
async function idle({ context, target, meter }: Load): Promise<Row> {
  await delay(TRAIL_MS);
  meter.start();
  await delay(IDLE_MS);
  const { wallMs, cpuMs, foreign } = meter.stop();
  const perSecond = ((cpuMs.server ?? 0) * 1000) / wallMs;
  context.say(`fan-out  ${target.name.padEnd(9)} idle      ${short(perSecond)} ms/s server CPU`);
  const values = { server_cpu_ms_per_s: perSecond, foreign_cpus: foreign };
  return { measure: 'fanout', server: target.name, load: 'idle', values, capped_by: 'nothing' };
}

async function paced({ context, target, reader, meter }: Load, rate: number, seconds: number): Promise<Row> {
  const messages = Math.round(rate * seconds);
  meter.start();
  const began = monoMs();
  const counted = reader.count(messages, seconds * 1000 + DELIVERED_MS);
  await target.paced(rate, seconds);
  const result = await counted;
  const activeMs = result.last - began;
  await delay(TRAIL_MS);
  const usage = meter.stop(activeMs);
  const expected = messages * context.sizes.subscribers;
  const values = { ...common(result, usage, expected), offered_per_s: rate, seconds, active_ms: activeMs };
  const behind = activeMs > BEHIND * seconds * 1000;
  const cap = usage.bottleneck || (behind ? NOTHING_ALONE : 'the offered rate');
  tell(context, target.name, `${rate}/s`, values, usage);
  return { measure: 'fanout', server: target.name, load: `${rate}/s`, values, capped_by: cap };
}

async function bursts({ context, target, reader, meter }: Load, messages: number, times: number): Promise<Row> {
  const expected = messages * context.sizes.subscribers;
  const results: (Counted & { readonly took: number })[] = [];
  let active = 0;
  meter.start();
  for (let i = 0; i < times; i += 1) {
    const began = monoMs();
    const counted = reader.count(messages, DELIVERED_MS);
    await target.burst(messages);
    const result = await counted;
    results.push({ ...result, took: result.last - began });
    active += result.last - began;
    await delay(TRAIL_MS / 2);
  }
  const usage = meter.stop(active);
  const frames = results.reduce((sum, result) => sum + result.frames, 0);
  const best = results.reduce((a, b) => (b.took < a.took ? b : a));
  const values = {
    ...common({ ...best, frames }, usage, expected * times),
    bursts: times,
    // From handing over the first event to reading the last byte: the whole path.
    deliveries_per_s: median(results.map((result) => (result.frames * 1000) / result.took)),
    // From the first byte read to the last: the fan-out alone.
    deliveries_per_s_flowing: median(results.map((result) => (result.frames * 1000) / (result.last - result.first))),
    deliveries_per_cpu_s: (frames * 1000) / (usage.cpuMs.server ?? 0),
  };
  tell(context, target.name, `burst ${messages}`, values, usage);
  const cap = usage.bottleneck || NOTHING_ALONE;
  return { measure: 'fanout', server: target.name, load: 'burst', values, capped_by: cap };
}

function common({ frames, bytes, latency, reads }: Counted, usage: Usage, expected: number) {
  return {
    deliveries: frames,
    missing: expected - frames,
    server_us_per_delivery: ((usage.cpuMs.server ?? 0) * 1000) / frames,
    redis_us_per_delivery: usage.cpuMs.redis === undefined ? null : (usage.cpuMs.redis * 1000) / frames,
    reader_us_per_delivery: ((usage.cpuMs.reader ?? 0) * 1000) / frames,
    latency_p50_ms: latency?.p50 ?? null,
    latency_p99_ms: latency?.p99 ?? null,
    latency_max_ms: latency?.max ?? null,
    bytes,
    reads,
    foreign_cpus: usage.foreign,
  };
}

type Values = ReturnType<typeof common> & {
  deliveries_per_s?: number;
  deliveries_per_s_flowing?: number;
};

function tell({ say }: Context, server: string, load: string, values: Values, usage: Usage): void {
  const parts = [
    `${short(values.server_us_per_delivery)} us/delivery`,
    `p50 ${short(values.latency_p50_ms ?? Number.NaN)} ms`,
    `p99 ${short(values.latency_p99_ms ?? Number.NaN)} ms`,
  ];
  if (values.deliveries_per_s !== undefined) parts.push(`${short(values.deliveries_per_s)} deliveries/s`);
  if (values.deliveries_per_s_flowing !== undefined) parts.push(`(${short(values.deliveries_per_s_flowing)} flowing)`);
  if (values.missing !== 0) parts.push(`MISSING ${values.missing}`);
  say(`fan-out  ${server.padEnd(9)} ${load.padEnd(9)} ${parts.join(', ')}${noise(usage)}`);
}

/** With --profile: writes a CPU profile of the server, for the browser's developer tools. */
async function profiled({ context, target }: Load, name: string, run: () => Promise<Row>): Promise<Row> {
  if (!context.profile || !target.inspect) return run();
  const inspector = await target.inspect();
  try {
    await inspector.startProfile();
    const row = await run();
    writeFileSync(fileIn(context, `${name}.cpuprofile`), await inspector.stopProfile());
    return row;
  } finally {
    inspector.close();
  }
}
