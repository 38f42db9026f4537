import os from 'node:os';

const CORES = Math.max(2, os.availableParallelism());
/** Processes that wait most of the time, side by side. */
const WAITING = 2 * CORES;

/**
 * Whether a job may begin beside those that run. `next` is the first of the queue: a job that runs alone is let in by those that run, not
 * passed by others. What runs in the background takes only what the others leave of the machine.
 */
function mayBegin({ kind }, running, next) {
  if (kind === 'alone') return running.length === 0;
  if ([next, ...running].some((job) => job.kind === 'alone')) return false;
  return running.filter((job) => job.kind === kind).length < (kind === 'background' ? CORES - 1 : WAITING);
}

/** Those that run alone first; then the longest. */
function inOrder(jobs) {
  const rank = ({ kind }) => (kind === 'alone' ? 0 : 1);
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
