import type { JobControl, JobFilter, WalkAction, WalkPlace } from '@unified-ws/server/events/queue/queueEngine';
import { expect } from 'chai';
import { fillQueues } from '../../../../../support/queueFill.js';
import { EventSuite } from '../../eventSuite.js';
import { type EventNode, type EventNodeOptions, logged, until } from '../../support.js';

const WAIT = '{uws:q0}:events-0:wait';
const ACTIVE = '{uws:q0}:events-0:active';

const everything = (): JobFilter => ({ addedUntil: Date.now() + 1000, types: null, finishedUntil: Date.now() });

describe('the jobs of a queue, as admins see them', function () {
  this.timeout(20_000);
  const suite = EventSuite.make('emptied');

  async function start(options: EventNodeOptions = {}): Promise<EventNode & { readonly lane: JobControl }> {
    const node = await suite.start({ partitions: 1, workers: false, ...options });
    const [lane] = node.queues.jobs();
    if (!lane) throw new Error('no queue');
    return { ...node, lane };
  }

  /** Ids of the waiting jobs, next to run first. */
  const waiting = async (): Promise<string[]> => (await suite.server.client().lrange(WAIT, 0, -1)).reverse();

  /** Walks to the end, `between` two steps, and sums up. */
  async function walk(
    lane: JobControl,
    state: Parameters<JobControl['walk']>[0],
    action: WalkAction,
    filter: JobFilter,
    size: number,
    between: (step: number) => Promise<void> = async () => undefined,
  ): Promise<{ jobs: number; events: number; looked: number; steps: number }> {
    const sum = { jobs: 0, events: 0, looked: 0, steps: 0 };
    let place: WalkPlace | null = null;
    for (;;) {
      const step = await lane.walk(state, action, filter, place, size);
      sum.jobs += step.jobs;
      sum.events += step.events;
      sum.looked += step.looked;
      sum.steps += 1;
      place = step.place;
      if (step.over) return sum;
      await between(sum.steps);
    }
  }

  const mixed = (index: number) => ({ type: index % 3 === 0 ? 'zone_created' : 'zone_updated', key: 'one' });
  const isKept = (id: string): boolean => Number(id.split('-')[1]) % 3 !== 0;

  it('a clear by type that reorders what stays would break FIFO', async () => {
    const { queues, lane } = await start();
    await fillQueues(queues, 'e', 1000, mixed);
    const before = await waiting();
    const filter = { ...everything(), types: ['zone_created'] };
    expect(await walk(lane, 'waiting', 'remove', filter, 70)).to.include({ jobs: 334, events: 334 });
    expect(await waiting()).to.deep.equal(before.filter(isKept));
    expect(await suite.server.client().exists('{uws:q0}:events-0:e-0', '{uws:q0}:events-0:e-1')).to.equal(1);
  });

  // With the anchor taken out of laneWalk.lua (the place alone kept), every second matching job is missed here.
  it('a clear misses no job although workers take and publishers add some between its steps', async () => {
    const { queues, lane, command } = await start();
    await fillQueues(queues, 'e', 600, mixed);
    const filter = { ...everything(), types: ['zone_created'] };
    const taken: string[] = [];
    await walk(lane, 'waiting', 'remove', filter, 20, async (step) => {
      for (let n = 0; n < 7; n += 1) taken.push(String(await command.rpop(WAIT)));
      // Given back, as a node that stands aside does.
      if (step % 3 === 0) await command.rpush(WAIT, String(taken.pop()));
      await fillQueues(queues, `late${step}`, 2, () => ({ type: 'zone_updated', key: 'one' }));
    });
    const left = await waiting();
    expect(left.filter((id) => id.startsWith('e-') && !isKept(id))).to.deep.equal([]);
    const first = left.filter((id) => id.startsWith('e-'));
    const order = first.map((id) => Number(id.slice(2)));
    expect(order).to.deep.equal([...order].sort((a, b) => a - b));
    expect(first.length + taken.filter(isKept).length).to.equal(400);
  });

  it('a clear whose last kept job is deleted by another admin begins anew instead of losing its place', async () => {
    const { queues, lane } = await start();
    await fillQueues(queues, 'e', 300, mixed);
    const filter = { ...everything(), types: ['zone_created'] };
    const sum = await walk(lane, 'waiting', 'remove', filter, 30, async (step) => {
      if (step !== 4) return;
      const kept = (await waiting()).filter((id) => Number(id.slice(2)) < 120);
      expect(await lane.remove(kept.at(-1) ?? '')).to.include({ state: 'waiting', done: true });
    });
    expect(sum.jobs).to.equal(100);
    expect((await waiting()).length).to.equal(199);
  });

  it('a clear of delayed jobs misses none although some become due between its steps', async () => {
    const { queues, lane, command } = await start();
    const dueAt = Date.now() + 3_600_000;
    // All due at once: equal or neighbouring scores.
    await fillQueues(queues, 'e', 300, (index) => ({ ...mixed(index), dueAt }));
    const filter = { ...everything(), types: ['zone_created'] };
    let due = 0;
    const sum = await walk(lane, 'delayed', 'remove', filter, 20, async () => {
      const [id] = await command.zpopmin('{uws:q0}:events-0:delayed');
      if (id && !isKept(id)) due += 1;
    });
    const left = await command.zrange('{uws:q0}:events-0:delayed', '0', '-1');
    expect(left.filter((id) => !isKept(id))).to.deep.equal([]);
    expect(sum.jobs + due).to.equal(100);
  });

  it('a dry run that takes something away, or counts otherwise than the clear, is no rehearsal', async () => {
    const { queues, lane } = await start();
    await fillQueues(queues, 'e', 500, (index) => ({ ...mixed(index), events: index < 100 ? 4 : 1 }));
    for (const types of [['zone_created'], null]) {
      const before = await waiting();
      const counted = await walk(lane, 'waiting', 'count', { ...everything(), types }, 40);
      expect(await waiting()).to.deep.equal(before);
      const removed = await walk(lane, 'waiting', 'remove', { ...everything(), types }, 40);
      expect(removed).to.include({ jobs: counted.jobs, events: counted.events });
    }
    expect(await suite.server.client().keys('*:e-*')).to.deep.equal([]);
    expect(await suite.server.client().keys('*batch*')).to.deep.equal([]);
  });

  it('jobs added after the bound stay', async () => {
    const { queues, lane, command } = await start();
    await fillQueues(queues, 'e', 10, mixed);
    const timestamp = Number(await command.hget('{uws:q0}:events-0:e-4', 'timestamp'));
    for (let n = 5; n < 10; n += 1)
      await command.hset(`{uws:q0}:events-0:e-${n}`, 'timestamp', String(timestamp + 1000));
    const sum = await walk(lane, 'waiting', 'remove', { ...everything(), addedUntil: timestamp }, 3);
    expect(sum.jobs).to.equal(5);
    expect(await waiting()).to.deep.equal(['e-5', 'e-6', 'e-7', 'e-8', 'e-9']);
  });

  it('what fails again while it is retried must not be retried for ever', async () => {
    const { queues, lane } = await start({ workers: true });
    await fillQueues(queues, 'bad', 200, () => ({ type: 'no_such_type' }));
    await until('all have failed', async () => (await lane.status()).counts.failed.jobs === 200);
    const filter = everything();
    const sum = await walk(lane, 'failed', 'retry', filter, 10, async () => {
      await until('they fail again', async () => (await lane.status()).counts.failed.jobs === 200);
    });
    // The bound and the end of a job are of two clocks, which may differ by a millisecond.
    expect(sum.jobs).to.be.within(200, 220);
  });

  it('a failed job whose cause is gone is appended when it is retried, and a job that is done is not done again', async () => {
    let known = false;
    const catalogue = { get: (type: string) => (known || type !== 'zone_new' ? { type } : undefined) };
    const { queues, lane, log } = await start({
      workers: true,
      catalogue: catalogue as unknown as NonNullable<EventNodeOptions['catalogue']>,
    });
    await fillQueues(queues, 'new', 1, () => ({ type: 'zone_new' }));
    await until('it has failed', async () => (await lane.status()).counts.failed.jobs === 1);
    expect(await lane.find('new-0')).to.include({ state: 'failed', failedReason: 'unknown event type zone_new' });
    known = true;
    expect(await lane.retry('new-0')).to.include({ state: 'failed', done: true });
    await until('it is appended', async () => (await log.head()).offset === 1);
    expect((await logged(log)).map(({ event }) => event.id)).to.deep.equal(['new-0']);
    expect((await lane.retry('new-0')).done, 'a completed job was retried').to.equal(false);
  });

  it('a job that a worker has is not taken from under it', async () => {
    let open = (): void => undefined;
    const opened = new Promise<void>((resolve) => {
      open = resolve;
    });
    const { queues, lane, log } = await start({ workers: true, beforeAppend: () => opened });
    await fillQueues(queues, 'e', 3, () => ({ type: 'zone_updated' }));
    await until('one is in work', async () => (await lane.status()).activeOn === 'node-1');
    expect(await lane.remove('e-0')).to.include({ state: 'active', done: false });
    expect(await lane.retry('e-0')).to.include({ state: 'active', done: false });
    const step = await lane.walk('waiting', 'remove', everything(), null, 100);
    expect(step).to.include({ jobs: 2, over: true });
    expect(step.active).to.deep.equal(['e-0']);
    open();
    await until('it is appended', async () => (await log.head()).offset === 1);
  });

  it('jobs and events are counted exactly as long as that is cheap, and said to be reckoned when not', async () => {
    const { queues, lane } = await start();
    await fillQueues(queues, 'few', 100, () => ({ type: 'zone_updated', events: 3 }));
    expect((await lane.status()).counts.waiting).to.deep.equal({ jobs: 100, events: 300, estimated: false });
    await fillQueues(queues, 'many', 2000, (index) => ({ type: 'zone_updated', events: index % 2 === 0 ? 1 : 9 }));
    const { waiting: many } = (await lane.status()).counts;
    expect(many).to.include({ jobs: 2100, estimated: true });
    expect(many.events).to.be.within(10_300 * 0.8, 10_300 * 1.2);
  });

  it('a page in another order than the queue works in misleads', async () => {
    const { queues, lane, command } = await start();
    await fillQueues(queues, 'e', 30, mixed);
    const ids = async (first: number, last: number): Promise<string[]> =>
      (await lane.page('waiting', first, last)).map(({ id }) => id);
    expect(await ids(0, 2)).to.deep.equal(['e-0', 'e-1', 'e-2']);
    expect(await ids(28, 40)).to.deep.equal(['e-28', 'e-29']);
    expect(await ids(30, 40)).to.deep.equal([]);
    await command.rpoplpush(WAIT, ACTIVE);
    expect((await lane.page('active', 0, 9)).map(({ id, state }) => [id, state])).to.deep.equal([['e-0', 'active']]);
  });

  it('a payload that would fill the frame is left out of a page, and shown one by one', async () => {
    const { queues, lane } = await start();
    await fillQueues(queues, 'big', 1, () => ({ type: 'zone_updated', data: { text: 'x'.repeat(50_000) } }));
    const [job] = await lane.page('waiting', 0, 0);
    expect(job).to.include({ id: 'big-0', data: null });
    expect(job?.bytes).to.be.above(50_000);
    expect((await lane.find('big-0'))?.data?.events).to.have.length(1);
  });
});
