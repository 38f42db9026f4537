import fs from 'node:fs';
import path from 'node:path';
import { TOPOLOGIES } from './conformance.mjs';
import { filesBelow } from './files-below.mjs';
import { root } from './paths.mjs';

/** Tests in a browser are run where it is; .ci/run installs it. */
const CHROMIUM = fs.existsSync('/usr/bin/chromium');
const built = path.join(root, 'build', 'test');

/**
 * Each suite: its compiled files below build/test, and how its processes share the machine with others.
 *
 * - waits: most of the time it waits for a node, a timer or Redis. Many run side by side.
 * - background: it only computes, and no clock matters to it. It runs at low priority.
 *
 * `alone` names the files that check how long something took, or that keep both cores busy and fail when they do not get them: nothing
 * runs beside these.
 * `covered`: its tests meet the code in their own process, so that `--coverage` counts them.
 */
export const SUITES = [
  { name: 'unit', files: /^test\/unit\/.*\.test\.js$/, kind: 'waits', alone: /\/urgent\.test\.js$/, covered: true },
  { name: 'model', files: /^test\/model\/.*\.test\.js$/, kind: 'background' },
  { name: 'node', files: /^test\/node\/.*\.test\.js$/, kind: 'waits', covered: true },
  { name: 'wire', files: /^test\/wire\/(?:frames|fuzz)\/.*\.test\.js$/, kind: 'waits', covered: true },
  {
    name: 'conformance',
    files: /^test\/wire\/conformance\/.*\.test\.js$/,
    kind: 'waits',
    topologies: TOPOLOGIES,
  },
  {
    name: 'cluster',
    files: /^test\/cluster\/.*\.test\.js$/,
    kind: 'waits',
    alone: /\/queueAdmin\.test\.js$/,
  },
  {
    name: 'chaos',
    files: /^test\/chaos\/.*\.test\.js$/,
    kind: 'waits',
    alone: /\/(?:slow|replacement|connections|storm|events|redisLost|stoppedClocks)\.test\.js$/,
  },
  // Chromium takes both cores, and the tests say how long a tab may take.
  ...(CHROMIUM ? [{ name: 'browser', files: /^test\/browser\/.*\.test\.js$/, kind: 'waits', alone: /./ }] : []),
];

/** Compiled files below build/test, by their path there. */
export function filesOf({ files }) {
  return filesBelow(built)
    .filter((file) => files.test(file))
    .sort();
}

/** What mocha wants to have. */
export const builtFile = (file) => path.join(built, file);

const durationsFile = path.join(root, 'scripts', 'lib', 'durations.json');
/** Of a file that the table does not name. */
const UNKNOWN_S = 2;
/** Files are put together until a process has about so much to do: each process loads the server anew, for a second of computing. */
const JOB_S = 30;
/** A process that takes longer than its share of these hangs: with all the others beside it, on a slow machine too. */
const LEAST_LIMIT_MS = 420_000;
const LIMIT_FACTOR = 8;

/** Seconds that a file took, of those that take long. */
function readDurations() {
  return JSON.parse(fs.readFileSync(durationsFile, 'utf8'));
}

/** Keeps what a run measured, in milliseconds by file, so that the next one begins the longest first. */
export function writeDurations(measured) {
  const seconds = Object.entries(measured).map(([file, ms]) => [file, Math.round(ms / 1000)]);
  const entries = Object.entries({ ...readDurations(), ...Object.fromEntries(seconds) })
    .filter(([file, took]) => took > UNKNOWN_S && fs.existsSync(builtFile(file)))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  fs.writeFileSync(durationsFile, `${JSON.stringify(Object.fromEntries(entries), null, 2)}\n`);
}

/** Splits files into groups of about the same time; each is one process of mocha. */
function groups(files, seconds) {
  const total = files.reduce((sum, file) => sum + seconds(file), 0);
  const result = Array.from({ length: Math.ceil(total / JOB_S) }, () => ({ files: [], seconds: 0 }));
  for (const file of [...files].sort((a, b) => seconds(b) - seconds(a))) {
    const [least] = [...result].sort((a, b) => a.seconds - b.seconds);
    least.files.push(file);
    least.seconds += seconds(file);
  }
  return result.filter((group) => group.files.length > 0);
}

/** The processes of a suite. What is said of one: its suite, name, files, kind, estimate and limit. */
export function jobsOf(suite, durations = readDurations()) {
  const seconds = (file) => durations[file] ?? UNKNOWN_S;
  const files = filesOf(suite);
  const alone = files.filter((file) => suite.alone?.test(file));
  const rest = files.filter((file) => !alone.includes(file));
  const whole = (list) => ({ files: list, seconds: list.reduce((sum, file) => sum + seconds(file), 0) });
  const parts = suite.topologies
    ? suite.topologies.map((topology) => ({ ...whole(rest), topology }))
    : [...alone.map((file) => ({ ...whole([file]), kind: 'alone' })), ...groups(rest, seconds)];
  return parts.map((part, index) => ({
    suite: suite.name,
    name:
      part.topology?.name ?? (part.files.length === 1 ? stem(part.files[0]) : `part ${index + 1} of ${parts.length}`),
    topology: part.topology,
    kind: part.kind ?? suite.kind,
    covered: suite.covered ?? false,
    files: part.files.sort(),
    estimateMs: part.seconds * 1000,
    limitMs: Math.max(LEAST_LIMIT_MS, part.seconds * 1000 * LIMIT_FACTOR),
  }));
}

const stem = (file) => path.basename(file, '.test.js');
