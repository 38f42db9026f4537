// Preloaded into a node (`NodeProcessOptions.preload`): both clocks stand still while the process is stopped, as on a machine that is
// suspended or moved to another host. SIGSTOP alone lets them go on.
//
// A gap between two readings that is longer than any turn of the event loop was a stop. Timers go by the same clocks: after a stop libuv
// calls those that seem overdue at once, which a machine whose clock stood still would not.

const SHORTEST_STOP_NS = 1_500_000_000n;
const READ_EVERY_MS = 50;

const realMono = process.hrtime.bigint.bind(process.hrtime);
const realNow = Date.now;
const realSetTimeout = globalThis.setTimeout;
const realSetInterval = globalThis.setInterval;

let last = realMono();
let stood = 0n;

function mono(): bigint {
  const now = realMono();
  if (now - last > SHORTEST_STOP_NS) stood += now - last;
  last = now;
  return now - stood;
}

const monoMs = (): number => Number(mono()) / 1e6;

process.hrtime.bigint = mono;
Date.now = () => {
  mono();
  return realNow() - Number(stood / 1_000_000n);
};
realSetInterval(mono, READ_EVERY_MS).unref();

/** Calls back when the clock of this process has come so far: looks again while it has not. */
function patient(
  callback: (...args: unknown[]) => void,
  ms: number,
  args: unknown[],
  timer: () => NodeJS.Timeout,
): () => void {
  const due = monoMs() + ms;
  return () => {
    if (monoMs() + 1 < due) timer().refresh();
    else callback(...args);
  };
}

function setTimeoutByClock(callback: (...args: unknown[]) => void, ms = 0, ...args: unknown[]): NodeJS.Timeout {
  const timer: NodeJS.Timeout = realSetTimeout(
    patient(callback, ms, args, () => timer),
    ms,
  );
  return timer;
}

function setIntervalByClock(callback: (...args: unknown[]) => void, ms = 0, ...args: unknown[]): NodeJS.Timeout {
  let due = monoMs() + ms;
  return realSetInterval(() => {
    const now = monoMs();
    if (now + ms / 2 < due) return;
    due = now + ms;
    callback(...args);
  }, ms);
}

globalThis.setTimeout = Object.assign(setTimeoutByClock, realSetTimeout) as typeof setTimeout;
globalThis.setInterval = Object.assign(setIntervalByClock, realSetInterval) as typeof setInterval;
