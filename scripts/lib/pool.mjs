import os from 'node:os';

const CORES = Math.max(2, os.availableParallelism());
/** Processes that wait most of the time, side by side; and so many beside one that measures. */
const WAITING = 2 * CORES;
const WAITING_BESIDE = CORES;

/**
 * Whether a job may begin beside those that run. One that measures has no computing neighbour and no other that measures; those that
 * compute leave a core to those that wait, as long as there are any.
 */
function mayBegin(job, running, queued) {
  const count = (kind) => running.filter((other) => other.kind === kind).length;
  if (job.kind === 'waits') return count('waits') < (count('measures') > 0 ? WAITING_BESIDE : WAITING);
  if (job.kind === 'measures') return count('measures') + count('computes') === 0;
  const waiting = [...running, ...queued].some(({ kind }) => kind === 'waits');
  return count('measures') === 0 && count('computes') < (waiting ? CORES - 1 : CORES);
}

/** Those that measure first: once a job that computes runs, others follow it without a break. Then the longest. */
function inOrder(jobs) {
  const rank = ({ kind }) => (kind === 'measures' ? 0 : 1);
  return [...jobs].sort((a, b) => rank(a) - rank(b) || b.estimateMs - a.estimateMs);
}

/** Runs all jobs, as many side by side as the machine bears. `work` must not throw; `changed` is called when a job began or ended. */
export async function runPool(jobs, work, changed) {
  const queued = inOrder(jobs);
  const running = new Map();
  while (queued.length + running.size > 0) {
    for (const job of [...queued]) {
      if (!mayBegin(job, [...running.keys()], queued)) continue;
      queued.splice(queued.indexOf(job), 1);
      running.set(
        job,
        work(job).then(() => running.delete(job)),
      );
      changed?.([...running.keys()], queued);
    }
    await Promise.race(running.values());
    changed?.([...running.keys()], queued);
  }
}
