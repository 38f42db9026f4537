import { startEventNode } from './support.js';

/**
 * A node with workers in a process of its own, to be killed in the middle of a job. Arguments: URL of Redis, and where
 * to hang: `before` the append or `after` it. Tells its parent `ready` and `hanging`.
 */
const [, , url = '', place = ''] = process.argv;
const hang = (): Promise<void> => {
  process.send?.('hanging');
  return new Promise(() => undefined);
};
const node = await startEventNode(url, {
  partitions: 1,
  nodeId: `child-${place}`,
  workers: false,
  beforeAppend: async (events) => {
    if (place === 'after') await node.log.append(events);
    await hang();
  },
});
await node.queues.startWorkers();
process.send?.('ready');
