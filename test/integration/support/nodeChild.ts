// A node in a process of its own that tells how much memory it holds: run with --expose-gc and an IPC channel.
import { setImmediate as turn } from 'node:timers/promises';
import { createNode } from '@unified-ws/server/node';
import { loadSettings } from '@unified-ws/server/settings';
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

process.on('message', (order: ChildOrder) => {
  if (order === 'memory') void memory().then(answer);
  else void node.stop().then(() => process.exit(0));
});
await node.start();
answer({ port: node.port });
