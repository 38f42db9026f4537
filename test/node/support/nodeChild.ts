// A node in a process of its own that tells how much memory it holds, and how long it was busy at a stretch: run with
// --expose-gc and an IPC channel.
import { setImmediate as turn } from 'node:timers/promises';
import { createNode } from '@unified-ws/server/node';
import { loadSettings } from '@unified-ws/server/settings/settings';
import type { ChildAnswer, ChildOrder } from './nodeMemory.js';

const node = createNode(loadSettings(process.env));

function answer(message: ChildAnswer): void {
  process.send?.(message);
}

async function memory(): Promise<ChildAnswer> {
  const { gc } = globalThis;
  if (!gc) throw new Error('run with --expose-gc');
  // What one collection finds unreachable may hold finalizers whose garbage the next one takes.
  for (let n = 0; n < 5; n += 1) {
    gc();
    await turn();
  }
  const { heapUsed, rss, arrayBuffers } = process.memoryUsage();
  return { heapUsed, rss, arrayBuffers };
}

const LOOK_MS = 10;
let busyMs = 0;
let lookedAt = performance.now();
let used = process.cpuUsage();

/** The processor's time, not the wall's: on a loaded machine a process stands still without being busy. */
function look(): void {
  const { user, system } = process.cpuUsage(used);
  const now = performance.now();
  busyMs = Math.max(busyMs, Math.min(now - lookedAt - LOOK_MS, (user + system) / 1000));
  forget();
}

function forget(): void {
  used = process.cpuUsage();
  lookedAt = performance.now();
}

setInterval(look, LOOK_MS).unref();

process.on('message', (order: ChildOrder) => {
  if (order === 'memory') {
    const before = busyMs;
    void memory().then((message) => {
      forget();
      busyMs = before;
      answer(message);
    });
  } else if (order === 'stall') {
    answer({ busyMs });
    busyMs = 0;
  } else void node.stop().then(() => process.exit(0));
});
await node.start();
answer({ port: node.port });
