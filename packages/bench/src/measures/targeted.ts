import { setTimeout as delay } from 'node:timers/promises';
import { Meter, noise } from '../load/meter.js';
import { pace } from '../load/pace.js';
import { monoMs } from '../load/procfs.js';
import { Reader } from '../load/reader.js';
import { short } from '../load/stats.js';
import { TargetedPublisher } from '../load/targetedPublisher.js';
import { type Context, fileIn, type Row, wanted } from './context.js';
import { TARGETED_PAIRS, type TargetedPair } from './targetedPairs.js';

/** Each is on one node and gets the same number of events; together they use all lanes. */
const USERS = 1000;
const RATE = 1000;
/** Events of the burst for each user. */
const BURST_EACH = 20;
const DELIVERED_MS = 60_000;
/** Work after the last delivery that still belongs to the run. */
const TRAIL_MS = 200;

/** Server and Redis CPU per event for one user on another node, latency at a steady rate, and the rate of a burst. */
export async function targeted(context: Context): Promise<Row[]> {
  const rows: Row[] = [];
  for (const [name, start] of Object.entries(TARGETED_PAIRS)) {
    if (!wanted(context, name)) continue;
    const pair = await start(context);
    if (typeof pair === 'string') {
      context.say(`targeted ${name}: left out, ${pair}`);
      continue;
    }
    try {
      rows.push(...(await measure(context, name, pair)));
    } finally {
      await pair.stop();
    }
  }
  return rows;
}

async function measure(context: Context, name: string, pair: TargetedPair): Promise<Row[]> {
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
        `targeted ${name.padEnd(18)} ${load.padEnd(13)} ${short(values.events_per_s)} events/s, ` +
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
