import { startEventNode } from '../support.js';

/**
 * A node that closes its queues when it is told to, and then has to end by itself: an open handle would keep it alive.
 * Arguments: URL of Redis, and `busy` when the job in work is to hang in its append.
 */
const [, , url = '', work = ''] = process.argv;
const hang = (): Promise<void> => {
  process.send?.('hanging');
  return new Promise(() => undefined);
};
const node = await startEventNode(url, { partitions: 8, ...(work === 'busy' ? { beforeAppend: hang } : {}) });
process.send?.('ready');
process.once('message', async () => {
  const started = Date.now();
  await node.stop();
  process.send?.({ closedAfter: Date.now() - started });
  process.disconnect();
});
