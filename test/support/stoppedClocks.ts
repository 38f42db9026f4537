// Preloaded into a node (`NodeProcessOptions.preload`): both clocks stop while the process is stopped, as on a machine that is suspended or
// moved to another host. With SIGSTOP alone they go on.
//
// A gap between two readings that is longer than any turn of the event loop was a stop. Timers use the same clocks: after a stop libuv calls
// timers that seem overdue at once, which would not happen on a machine whose clock stopped.

const SHORTEST_STOP_NS = 1_500_000_000n;
const READ_EVERY_MS = 50;

const realMono = process.hrtime.bigint.bind(process.hrtime);
const realNow = Date.now;
const realSetTimeout = globalThis.setTimeout;
const realSetInterval = globalThis.setInterval;
const realClearTimeout = globalThis.clearTimeout;

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

/** For a timer that fired too early by the clock: waits for the remaining time. */
const rest = new WeakMap<NodeJS.Timeout, NodeJS.Timeout>();

function setTimeoutByClock(callback: (...args: unknown[]) => void, ms = 0, ...args: unknown[]): NodeJS.Timeout {
  const due = monoMs() + ms;
  const fire = (): void => {
    const left = due - monoMs();
    if (left <= 1) callback(...args);
    else {
      const next = realSetTimeout(fire, left);
      if (!timer.hasRef()) next.unref();
      rest.set(timer, next);
    }
  };
  const timer: NodeJS.Timeout = realSetTimeout(fire, ms);
  return timer;
}

function clearTimeoutByClock(timer: Parameters<typeof clearTimeout>[0]): void {
  realClearTimeout(timer);
  if (typeof timer === 'object') realClearTimeout(rest.get(timer));
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
globalThis.clearTimeout = clearTimeoutByClock;
globalThis.setInterval = Object.assign(setIntervalByClock, realSetInterval) as typeof setInterval;
