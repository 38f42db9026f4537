import { startEventNode } from '../support.js';

/**
 * A node with workers in a process of its own, to be killed in the middle of a job. Arguments: URL of Redis, and where
 * to hang: `before` the append, `after` it, or `between` the first target's mailbox and the others. Tells its parent `ready` and `hanging`.
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
    if (place === 'between') {
      for (const { target_user_ids: [first = ''] = [], ...event } of events)
        await node.mailboxes.append(first, [event]);
    }
    await hang();
  },
});
await node.queues.startWorkers();
process.send?.('ready');
