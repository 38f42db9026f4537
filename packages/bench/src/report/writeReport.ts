import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { median, short } from '../load/stats.js';
import type { Row } from '../measures/context.js';
import { type BarGroup, barChart } from './barChart.js';

/** A result file. */
interface Result {
  readonly started: string;
  readonly machine: Readonly<Record<'before' | 'after', Readonly<Record<string, unknown>>>>;
  readonly sizes: Readonly<Record<string, number>>;
  readonly reader: string;
  readonly runs: readonly (readonly Row[])[];
}

/** Above so many processors used by others a row is noisy. */
const NOISE = 0.2;
/** With a larger share of noisy rows the machine was not quiet. */
const MOST_NOISY = 0.1;

interface Column {
  readonly title: string;
  readonly figure: string;
}

interface Section {
  readonly measure: string;
  readonly title: string;
  readonly text: string;
  /** The server that the others are compared with, and the figure that is compared. */
  readonly yardstick?: { readonly server: string; readonly figure: string };
  readonly columns: readonly Column[];
}

const LATENCY: readonly Column[] = [
  { title: 'p50 ms', figure: 'latency_p50_ms' },
  { title: 'p99 ms', figure: 'latency_p99_ms' },
];
const PER_EVENT: readonly Column[] = [
  { title: 'server CPU µs', figure: 'server_us_per_event' },
  { title: 'Redis CPU µs', figure: 'redis_us_per_event' },
];

const SECTIONS: readonly Section[] = [
  {
    measure: 'fanout',
    title: 'Fan-out',
    text: 'One event goes to every connection of one node, at a steady rate and in a burst of 300. CPU is for each delivery. `c-floor` is a C program that does nothing but write a ready frame to each socket: the price of the kernel. `ours` publishes by REST, with queue and log in the path; `ours-log` appends to the log directly. The servers beside ours generate their events themselves.',
    yardstick: { server: 'c-floor', figure: 'server_us_per_delivery' },
    columns: [
      { title: 'server CPU µs', figure: 'server_us_per_delivery' },
      ...LATENCY,
      { title: 'deliveries/s', figure: 'deliveries_per_s' },
    ],
  },
  {
    measure: 'targeted',
    title: 'Targeted, to another node',
    text: 'Each event is for one user, who is connected to another node than the one it is published at. CPU is that of both nodes together. `ours` is durable: the event is in the mailbox before it is accepted. `ours-queue` makes a job of each. `ours-ephemeral`, `ws+pubsub`, `centrifugo` and Socket.IO (`socket.io` with redis-adapter, `socket.io+streams` with redis-streams-adapter) promise nothing; `centrifugo+history` keeps positions and recovers. All are published to over one WebSocket, one event at a time, and confirm each.',
    yardstick: { server: 'socket.io', figure: 'server_us_per_event' },
    columns: [...PER_EVENT, ...LATENCY, { title: 'events/s', figure: 'events_per_s' }],
  },
  {
    measure: 'queue',
    title: 'Publishing',
    text: 'One node, one connected user: from the publish to the delivery, by REST and by WebSocket, one event at a time and 50.',
    columns: [...PER_EVENT, ...LATENCY, { title: 'events/s', figure: 'events_per_s' }],
  },
  {
    measure: 'connect',
    title: 'Connecting',
    text: 'From the TCP connection to `connection_established`. `ws+jwt+registry` verifies the token and writes one field to Redis; it replaces no connection.',
    yardstick: { server: 'ws+jwt+registry', figure: 'server_us_per_connect' },
    columns: [
      { title: 'server CPU µs', figure: 'server_us_per_connect' },
      { title: 'Redis CPU µs', figure: 'redis_us_per_connect' },
      { title: 'connects/s', figure: 'connects_per_s' },
      { title: 'p50 ms', figure: 'established_p50_ms' },
      { title: 'p99 ms', figure: 'established_p99_ms' },
    ],
  },
  {
    measure: 'memory',
    title: 'Memory',
    text: 'Growth of the resident memory for each idle connection.',
    columns: [{ title: 'bytes', figure: 'rss_bytes_per_connection' }],
  },
];

/**
 * Writes BENCHMARKS.md and its charts.
 *
 * @param file a result of the bench.
 * @param folder where the page goes.
 * @returns the paths of what was written.
 */
export function writeReport(file: string, folder: string): readonly string[] {
  const result = JSON.parse(readFileSync(file, 'utf8')) as Result;
  const charts = chartsOf(result);
  const page = [head(result), ...SECTIONS.flatMap((section) => sectionOf(section, result, charts)), rawOf(result)];
  const files = new Map([['BENCHMARKS.md', `${page.join('\n\n')}\n`]]);
  for (const [name, svg] of charts) files.set(`benchmarks-${name}.svg`, svg);
  for (const [name, content] of files) writeFileSync(join(folder, name), content);
  return [...files.keys()].map((name) => join(folder, name));
}

function head({ started, machine: { before }, sizes, reader, runs }: Result): string {
  const { cpu, cores, node, kernel } = before;
  const noisy = runs.flat().filter(({ values }) => Number(values.foreign_cpus ?? 0) > NOISE).length;
  const rows = runs.flat().length;
  return `# Benchmarks

For those who compare servers, or want to repeat a figure. \`npm run bench\` measures, and \`npm run bench -- --report build/bench/result-<time>.json\` writes this page.

**Method.** Real processes on one machine, over the loopback interface: nodes as \`npm start\` runs them (with permissions, log and audit), a Redis with its append-only file, and every other server in the same run, one
after the other. Payloads have about 200 bytes, and all servers send the same bytes. A separate process (${reader}) opens the connections and reads. CPU is user and system time of the server processes from /proc. Latency counts from
when an event was due, so a server that falls behind cannot hide it. Pings and heartbeats are off.

**Only ratios within one run carry over to another machine.** Figures are medians of ${runs.length} ${runs.length === 1 ? 'run' : 'runs'}; ratios are made within each run.

**Machine.** ${String(cpu)}, ${String(cores)} cores, Linux ${String(kernel)}, Node.js ${String(node)}; started ${started}. In ${noisy} of ${rows} rows other processes of the machine used more than ${NOISE} processors (last column of the [raw runs](#raw-runs)).${noisy > MOST_NOISY * rows ? ' **The machine was not quiet: latencies and rates are worse than they are alone, for all servers. Measure again before you quote them.**' : ''}

**Sizes.** ${sizes.subscribers} connections in a fan-out; 1,000 users and a burst of 20,000 events when they are targeted; ${sizes.seconds} s for each steady rate.

uWebSockets.js is not on the npm registry and is left out.`;
}

function sectionOf(section: Section, { runs }: Result, charts: ReadonlyMap<string, string>): string[] {
  const { measure, title, text, yardstick, columns } = section;
  const rows = (runs[0] ?? []).filter((row) => row.measure === measure && row.load !== 'idle');
  if (rows.length === 0) return [];
  const present = columns.filter(({ figure }) => rows.some(({ values }) => typeof values[figure] === 'number'));
  const titles = [
    'server',
    'load',
    ...present.map((column) => column.title),
    ...(yardstick ? [`× ${yardstick.server}`] : []),
  ];
  const lines = rows.map((row) => {
    const cells = present.map(({ figure }) => short(middle(runs, row, figure)));
    const ratio = yardstick ? [short(ratioTo(runs, row, yardstick))] : [];
    return `| ${[row.server, row.load, ...cells, ...ratio].join(' | ')} |`;
  });
  const chart = charts.has(measure) ? [`![${title}: CPU by server](benchmarks-${measure}.svg)`] : [];
  const table = [`| ${titles.join(' | ')} |`, `|${titles.map(() => '---').join('|')}|`, ...lines].join('\n');
  return [`## ${title}`, text, ...chart, table];
}

function rawOf({ runs }: Result): string {
  const lines = runs.flatMap((run, index) =>
    run.map(({ measure, server, load, values, capped_by }) => {
      const figures = Object.entries(values).filter(
        ([name, value]) => typeof value === 'number' && name !== 'foreign_cpus',
      );
      const shown = figures.map(([name, value]) => `${name} ${short(Number(value))}`).join(', ');
      return `| ${[index + 1, measure, server, load, shown, capped_by, short(Number(values.foreign_cpus))].join(' | ')} |`;
    }),
  );
  const titles = '| run | measure | server | load | figures | capped by | processors used by others |';
  return ['## Raw runs', [titles, '|---|---|---|---|---|---|---|', ...lines].join('\n')].join('\n\n');
}

function chartsOf(result: Result): ReadonlyMap<string, string> {
  const charts = new Map<string, string>();
  const add = (measure: string, title: string, figures: readonly string[], unit: string): void => {
    const groups = groupsOf(result, measure, figures, unit);
    if (groups.length > 0) charts.set(measure, barChart(title, groups));
  };
  add('fanout', 'Fan-out: server CPU of a delivery (shorter is better)', ['server_us_per_delivery'], 'µs');
  add(
    'targeted',
    'Targeted, to another node: CPU of an event, servers and Redis',
    ['server_us_per_event', 'redis_us_per_event'],
    'µs',
  );
  return charts;
}

function groupsOf({ runs }: Result, measure: string, figures: readonly string[], unit: string): BarGroup[] {
  const rows = (runs[0] ?? []).filter((row) => row.measure === measure && row.load !== 'idle');
  const loads = [...new Set(rows.map(({ load }) => load))];
  return loads.map((load) => ({
    title: load,
    bars: rows
      .filter((row) => row.load === load)
      .map((row) => {
        const parts = figures.map((figure) => middle(runs, row, figure));
        const p99 = middle(runs, row, 'latency_p99_ms');
        const note = `${parts.map(short).join(' + ')} ${unit}, p99 ${short(p99)} ms`;
        return { label: row.server, parts, note, own: row.server.startsWith('ours') };
      }),
  }));
}

/** The row of another run that measured the same. */
function same(run: readonly Row[], row: Row, server = row.server): Row | undefined {
  return run.find((one) => one.measure === row.measure && one.load === row.load && one.server === server);
}

function middle(runs: Result['runs'], row: Row, figure: string): number {
  const found = runs.map((run) => same(run, row)?.values[figure]);
  return median(found.filter((value): value is number => typeof value === 'number'));
}

function ratioTo(runs: Result['runs'], row: Row, { server, figure }: NonNullable<Section['yardstick']>): number {
  const of = (run: readonly Row[], which: string): number =>
    Number(same(run, row, which)?.values[figure] ?? Number.NaN);
  return median(runs.map((run) => of(run, row.server) / of(run, server)).filter(Number.isFinite));
}
