import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { killAll } from './load/child.js';
import { compileNative } from './load/native.js';
import { machine, monoMs, openFilesLimit } from './load/procfs.js';
import { connects } from './measures/connect.js';
import { type Context, FULL, type Row, SMALL } from './measures/context.js';
import { fanout } from './measures/fanout.js';
import { memory } from './measures/memory.js';
import { queue } from './measures/queue.js';
import { replacement } from './measures/replacement.js';
import { replay } from './measures/replay.js';
import { targeted } from './measures/targeted.js';
import { writeReport } from './report/writeReport.js';
import { summarise } from './summary.js';

const MEASURES = { fanout, connect: connects, replacement, memory, replay, queue, targeted } as const;
type MeasureName = keyof typeof MEASURES;

const USAGE = `npm run bench [-- name…] [-- options]
  names           ${Object.keys(MEASURES).join(', ')}; default: all
  --repeat n      runs everything n times and tells the medians
  --only a,b      only these servers (ours, ours-log, ours-queue, ours-ephemeral, c-floor, ws, ws+pubsub, socket.io, socket.io+streams,
                  centrifugo, centrifugo+history, ws+jwt+registry)
  --small         small sizes, for a look whether it works; the figures mean little
  --profile       writes CPU profiles of our node
  --report file   measures nothing: writes docs/BENCHMARKS.md and its charts from a result file`;

/** File descriptors besides the connections: libraries, pipes, Redis. */
const SPARE_FILES = 500;

function stop(message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(2);
}

function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        repeat: { type: 'string', default: '1' },
        only: { type: 'string', default: '' },
        dir: { type: 'string', default: join('build', 'bench') },
        small: { type: 'boolean', default: false },
        profile: { type: 'boolean', default: false },
        report: { type: 'string', default: '' },
        help: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    return stop(`${String(error)}\n${USAGE}`);
  }
}

function isMeasure(name: string): name is MeasureName {
  return Object.hasOwn(MEASURES, name);
}

const { values: options, positionals } = readArguments();
if (options.help) stop(USAGE);
if (options.report !== '') {
  for (const path of writeReport(options.report, 'docs')) process.stdout.write(`${path}\n`);
  process.exit(0);
}
const names = positionals.length > 0 ? positionals : Object.keys(MEASURES);
const unknown = names.find((name) => !isMeasure(name));
if (unknown !== undefined) stop(`There is no measure ${unknown}.\n${USAGE}`);
if (process.platform !== 'linux') stop('The figures are read from /proc: the bench runs on Linux only.');

const sizes = options.small ? SMALL : FULL;
const needed = Math.max(sizes.connections, sizes.subscribers) + SPARE_FILES;
const limit = openFilesLimit();
if (limit < needed) {
  stop(
    `${needed} open files are needed per process, allowed are ${limit}: raise it (ulimit -n ${needed}) or use --small.`,
  );
}

process.on('exit', killAll);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(130));

mkdirSync(options.dir, { recursive: true });
const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};
const native = compileNative(join(options.dir, 'bin'));
if (!native) {
  say('No C compiler: the reader in Node.js is used, which may be the bottleneck, and c-floor is left out.');
}
say('uWebSockets.js is not on the npm registry and is left out.');

const context: Context = {
  native,
  dir: options.dir,
  sizes,
  only: options.only.split(',').filter((name) => name !== ''),
  profile: options.profile,
  say,
};
const began = monoMs();
const started = new Date().toISOString();
const before = machine();
const runs: Row[][] = [];
for (let run = 0; run < Number(options.repeat); run += 1) {
  if (Number(options.repeat) > 1) say(`run ${run + 1} of ${options.repeat}`);
  const rows: Row[] = [];
  for (const name of names) if (isMeasure(name)) rows.push(...(await MEASURES[name](context)));
  runs.push(rows);
}
const file = join(options.dir, `result-${started.replaceAll(':', '-')}.json`);
const reader = native ? 'C' : 'Node.js';
const result = { started, machine: { before, after: machine() }, sizes, reader, runs };
writeFileSync(file, `${JSON.stringify(result, null, 2)}\n`);
for (const line of summarise(runs)) say(line);
say(`${file}, ${Math.round((monoMs() - began) / 1000)} s`);
// Nothing that could be awaited is left open.
process.exit(0);
