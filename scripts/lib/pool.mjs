import os from 'node:os';

const CORES = Math.max(2, os.availableParallelism());
/** Processes that wait most of the time, side by side. */
const WAITING = 2 * CORES;
/** Of them, beside one of these kinds; and only one of these runs at a time. */
const BESIDE = { measures: 1, heavy: 0 };
const RANK = Object.keys(BESIDE);

/**
 * Whether a job may begin beside those that run. `next` is the first of the queue: one that needs the machine for itself is let in by
 * those that run, not passed by others. What runs in the background takes only what the others leave of the machine.
 */
function mayBegin({ kind }, running, next) {
  const count = (other) => running.filter((job) => job.kind === other).length;
  if (kind === 'background') return count(kind) < CORES - 1;
  const alone = running.find((job) => job.kind in BESIDE);
  if (kind in BESIDE) return !alone && count('waits') <= BESIDE[kind];
  const most = BESIDE[(alone ?? next).kind] ?? WAITING;
  return count(kind) < most;
}

/** Those that measure first, before many others run; then the longest. */
function inOrder(jobs) {
  const rank = ({ kind }) => (RANK.includes(kind) ? RANK.indexOf(kind) : RANK.length);
  return [...jobs].sort((a, b) => rank(a) - rank(b) || b.estimateMs - a.estimateMs);
}

/** Runs all jobs, as many side by side as the machine bears. `work` must not throw. */
export async function runPool(jobs, work) {
  const queued = inOrder(jobs);
  const running = new Map();
  while (queued.length + running.size > 0) {
    for (const job of [...queued]) {
      if (!mayBegin(job, [...running.keys()], queued[0])) continue;
      queued.splice(queued.indexOf(job), 1);
      running.set(
        job,
        work(job).then(() => running.delete(job)),
      );
    }
    await Promise.race(running.values());
  }
}
