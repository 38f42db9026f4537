import { setTimeout as delay } from 'node:timers/promises';
import type { Inspector } from '../load/inspector.js';
import { NodeProcess } from '../load/node.js';
import { Reader } from '../load/reader.js';
import { RedisProcess } from '../load/redis.js';
import { writeUserRequests } from '../load/requests.js';
import { short } from '../load/stats.js';
import { type Context, fileIn, type Row, wanted } from './context.js';

const CONCURRENCY = 100;
/** Within this time the handshakes' inbound buffers are freed and the young generation shrinks. */
const SETTLE_MS = 2000;

interface Reading {
  readonly rss: number;
  readonly heap: number;
  readonly external: number;
}

/** Growth of a node's resident memory per idle connection, with garbage collected before and after. */
export async function memory(context: Context): Promise<Row[]> {
  if (!wanted(context, 'ours')) return [];
  const redis = await RedisProcess.start();
  const node = await NodeProcess.start('bench-1', redis.url);
  const requests = fileIn(context, 'requests.txt');
  writeUserRequests(requests, context.sizes.connections);
  const program = context.native?.reader ?? null;
  const reader = new Reader({ program, port: node.port, requests, concurrency: CONCURRENCY, greetings: 1 });
  const inspector = await node.inspect();
  try {
    const empty = await settled(node, inspector);
    const { connected } = await reader.connect();
    const full = await settled(node, inspector);
    const per = (name: keyof Reading): number => (full[name] - empty[name]) / connected;
    const values = {
      connections: connected,
      rss_bytes_per_connection: per('rss'),
      heap_bytes_per_connection: per('heap'),
      external_bytes_per_connection: per('external'),
      rss_empty: empty.rss,
      rss_full: full.rss,
    };
    context.say(
      `memory   ours      ${short(values.rss_bytes_per_connection / 1000)} kB RSS per idle connection at ${connected} ` +
        `(${short(values.heap_bytes_per_connection / 1000)} kB of it JavaScript heap, ` +
        `${short(values.external_bytes_per_connection / 1000)} kB buffers)`,
    );
    return [{ measure: 'memory', server: 'ours', load: `${connected} idle`, values, capped_by: 'nothing' }];
  } finally {
    inspector.close();
    await reader.stop();
    await node.stop();
    await redis.stop();
  }
}

async function settled(node: NodeProcess, inspector: Inspector): Promise<Reading> {
  await delay(SETTLE_MS);
  await inspector.collectGarbage();
  await delay(SETTLE_MS);
  await inspector.collectGarbage();
  const { heapUsed, external } = await inspector.memory();
  return { rss: node.rssBytes, heap: heapUsed, external };
}
