import { EventStatuses } from '@unified-ws/server/events/publish/eventStatuses';
import { Queue } from 'bullmq';
import { expect } from 'chai';
import { EventSuite } from '../eventSuite.js';
import { type EventNode, failure, SERVICE, storedEvent, until } from '../support.js';

const EVENT = { event_type: 'zone_updated', data: {} } as const;

describe('what became of an event', function () {
  this.timeout(20_000);
  const suite = EventSuite.make('each');

  function statuses(node: EventNode): EventStatuses {
    return new EventStatuses(node.log, node.queues);
  }

  async function statusOf(node: EventNode, id: string): Promise<string> {
    return (await statuses(node).find(id)).status;
  }

  it('is told of each event of a shared job by its id alone', async () => {
    const node = await suite.start({ workers: false });
    const receipts = await node.publisher.publish(
      Array.from({ length: 30 }, () => EVENT),
      SERVICE,
    );
    for (const { eventId, queue } of receipts) {
      const jobId = `${receipts[0]?.eventId}`;
      const expected = { status: 'queued', queue, jobId: `${queue}.${jobId}`, record: null };
      expect(await statuses(node).find(eventId)).to.deep.equal(expected);
    }
    // The id after the last one has the same job, which does not hold it.
    const none = `${receipts[0]?.eventId.slice(0, -2)}1e`;
    expect(await statuses(node).find(none)).to.include({ status: 'unknown' });
    await node.queues.startWorkers();
    const last = receipts.at(-1)?.eventId ?? '';
    await until('the last to be appended', async () => (await statusOf(node, last)) === 'appended');
  });

  it('is told of events that came with ids, alone and in a shared job', async () => {
    const node = await suite.start({ workers: false });
    const call = [
      { ...EVENT, id: 'a' },
      { ...EVENT, id: 'b' },
    ];
    const receipts = [
      ...(await node.publisher.publish(call, SERVICE)),
      ...(await node.publisher.publish({ ...EVENT, id: 'c' }, SERVICE)),
    ];
    for (const { eventId } of receipts) expect(await statusOf(node, eventId), eventId).to.equal('queued');
    await node.queues.startWorkers();
    for (const { eventId } of receipts) {
      await until(`${eventId} to be appended`, async () => (await statusOf(node, eventId)) === 'appended');
    }
  });

  // Seen red without `record` in the processor: the expired one of a shared job passed for appended, the poisoned for unknown.
  it('is that it expired, or failed, also when others of its job were appended', async () => {
    const node = await suite.start({ partitions: 1 });
    const soon = new Date(Date.now() + 1).toISOString();
    const [expired] = await node.publisher.publish({ ...EVENT, delay_ms: 50, expires_at: soon }, SERVICE);
    await until('the first to expire', async () => (await statusOf(node, expired?.eventId ?? '')) === 'expired');
    const queue = new Queue('events-0', { connection: suite.server.client(), prefix: node.keys.queuePrefix(0) });
    const events = [
      storedEvent('good'),
      { ...storedEvent('late'), expires_at: '2026-01-01T00:00:00.000Z' },
      { ...storedEvent('bad'), type: 'gone_type' },
    ];
    await queue.add('zone_updated', { publisher: 'p', ordering_key: 'k', events }, { jobId: 'shared' });
    await until('the job to end', async () => (await statusOf(node, 'good')) === 'appended');
    await until('the late one to be dropped', async () => (await statusOf(node, 'late')) === 'expired');
    await until('the bad one to fail', async () => (await statusOf(node, 'bad')) === 'failed');
    await queue.close();
  });

  it('cannot be told without Redis, which must not pass for unknown', async () => {
    const node = await suite.start({ workers: false });
    suite.server.pause();
    expect(await failure(statuses(node).find('x'))).to.include({ code: 'UNAVAILABLE' });
    suite.server.resume();
  });
});
