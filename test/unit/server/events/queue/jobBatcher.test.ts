import { randomBytes } from 'node:crypto';
import { EventIds, jobOfMember, PENDING_ID } from '@unified-ws/server/events/event/eventIds';
import { partitionOf } from '@unified-ws/server/events/event/partitionOf';
import { type AddedJobs, JobBatcher, type QueuedEvent } from '@unified-ws/server/events/queue/jobBatcher';
import type { JobDraft, JobQueue } from '@unified-ws/server/events/queue/queueEngine';
import { systemClock } from '@unified-ws/server/util/clock';
import { parseTime } from '@unified-ws/server/util/parseTime';
import { expect } from 'chai';
import { failure, storedEvent, until } from '../support.js';

function item(id: string, changes: Partial<QueuedEvent> & { readonly type?: string } = {}): QueuedEvent {
  const { type = 'zone_updated', ...pause } = changes;
  const event = { ...storedEvent(id), type };
  return { event, bytes: 200, publisher: 'p', orderingKey: 'k', dueAt: null, call: null, ...pause };
}

const ids = new EventIds(systemClock, randomBytes);

function newBatcher(add: JobQueue['add']): JobBatcher {
  const added = async (drafts: readonly JobDraft[]): Promise<AddedJobs> => {
    try {
      return { existed: await add(drafts), error: null, queued: true, backlog: false };
    } catch (error) {
      return { existed: [], error, queued: true, backlog: false };
    }
  };
  return new JobBatcher({ add: added, mint: () => ids.nextJob(), clock: systemClock });
}

/** The jobs that come of events of one turn, as lists of event ids. */
async function jobsOf(items: readonly QueuedEvent[]): Promise<{ drafts: JobDraft[]; ids: string[][] }> {
  const drafts: JobDraft[] = [];
  const batcher = newBatcher(async (jobs) => {
    drafts.push(...jobs);
    return jobs.map(() => false);
  });
  await Promise.all(items.map((one) => batcher.add(one)));
  return { drafts, ids: drafts.map(({ data }) => data.events.map(({ id }) => id)) };
}

describe('jobs of one turn', () => {
  it('share a job when publisher, type, key and due time agree, so that a type can be cleared exactly', async () => {
    const { ids, drafts } = await jobsOf([
      item('a'),
      item('b'),
      item('c', { type: 'zone_created', orderingKey: 'k2' }),
      item('d', { publisher: 'q', orderingKey: 'k3' }),
      item('e', { publisher: 'p', orderingKey: 'k3' }),
      item('f', { dueAt: 5, orderingKey: 'k4' }),
      item('g', { dueAt: 6, orderingKey: 'k4' }),
    ]);
    expect(ids).to.deep.equal([['a', 'b'], ['c'], ['d'], ['e'], ['f'], ['g']]);
    expect(drafts.map(({ type }) => type)).to.include('zone_created');
    expect(drafts[0]?.data).to.include({ publisher: 'p', ordering_key: 'k' });
  });

  it('never moves an event before another one of its key', async () => {
    const { ids } = await jobsOf([
      item('a'),
      item('x', { orderingKey: 'other' }),
      item('b', { type: 'zone_created' }),
      item('c'),
      item('y', { orderingKey: 'other' }),
    ]);
    expect(ids).to.deep.equal([['a'], ['x', 'y'], ['b'], ['c']]);
  });

  const targeted = (id: string, users: readonly string[], type?: string): QueuedEvent => {
    const plain = item(id, { orderingKey: users[0] as string, ...(type === undefined ? {} : { type }) });
    const event = { ...plain.event, target_user_ids: users };
    return { ...plain, event, ...(users.length > 1 ? { alsoOrders: users } : {}) };
  };

  it('are shared by targeted events whoever they are for: a job for each would be what publishing them costs', async () => {
    const users = Array.from({ length: 60 }, (_, n) => targeted(`e${n}`, [`u${n}`]));
    const { ids } = await jobsOf([...users, targeted('all', ['u1', 'u7']), item('x', { orderingKey: 'u1' })]);
    expect(ids.map(({ length }) => length)).to.deep.equal([61, 1]);
    expect(ids[0]?.at(-1)).to.equal('all');
  });

  it('keep the order of a user when an event for several users stands between two of his (Q3)', async () => {
    const { ids } = await jobsOf([
      targeted('a', ['u']),
      targeted('x', ['v'], 'zone_created'),
      targeted('b', ['u', 'v']),
      targeted('c', ['u']),
      targeted('y', ['v'], 'zone_created'),
      targeted('d', ['w'], 'zone_created'),
      targeted('e', ['w']),
      item('k', { orderingKey: 'w' }),
      targeted('f', ['w']),
    ]);
    expect(ids).to.deep.equal([['a'], ['x'], ['b', 'c'], ['y', 'd'], ['e'], ['k'], ['f']]);
  });

  it('keep events with given ids to their call, so that its repeat is found while they wait', async () => {
    const [one, two] = [Symbol('one'), Symbol('two')];
    const { ids, drafts } = await jobsOf([
      item('a', { call: one }),
      item('b', { call: one }),
      item('c', { call: two }),
    ]);
    expect(ids).to.deep.equal([['a', 'b'], ['c']]);
    const repeat = await jobsOf([item('a', { call: two }), item('b', { call: two })]);
    expect(repeat.drafts[0]?.id).to.equal(drafts[0]?.id);
    expect(drafts[1]?.id).to.equal('c');
  });

  it('hold at most 100 events and 1 MiB', async () => {
    const many = await jobsOf(Array.from({ length: 250 }, (_, index) => item(`e${index}`)));
    expect(many.ids.map(({ length }) => length)).to.deep.equal([100, 100, 50]);
    const big = await jobsOf(Array.from({ length: 9 }, (_, index) => item(`e${index}`, { bytes: 256 * 1024 })));
    expect(big.ids.map(({ length }) => length)).to.deep.equal([4, 4, 1]);
  });

  // Seen red with the window after every flush: 3 ms for each event, where Redis takes a fraction of one.
  it('do not wait for company when their publisher awaits each, or he gets 300 events a second', async () => {
    const batcher = newBatcher(async (jobs) => jobs.map(() => false));
    const begun = performance.now();
    for (let index = 0; index < 1000; index += 1) await batcher.add(item(`e${index}`));
    expect(performance.now() - begun).to.be.below(1500);
  });

  it('must be told from the ids of their events, or it could not be said what became of one', async () => {
    const { drafts } = await jobsOf([item(PENDING_ID), item(PENDING_ID), item('given', { orderingKey: 'k2' })]);
    const [shared, single] = drafts;
    expect(drafts).to.have.length(2);
    expect(shared?.data.events[0]?.id).to.equal(shared?.id);
    for (const [index, event] of (shared?.data.events ?? []).entries()) {
      expect(jobOfMember(event.id)).to.deep.equal({ jobId: shared?.id, index });
    }
    expect(single?.id).to.equal('given');
    expect(jobOfMember('given')).to.equal(null);
  });

  it('take what comes while one is under way, or each event of a busy publisher costs a job', async () => {
    const sizes: number[] = [];
    let answer = (): void => undefined;
    const batcher = newBatcher(async (jobs) => {
      sizes.push(...jobs.map(({ data }) => data.events.length));
      await new Promise<void>((resolve) => {
        answer = resolve;
      });
      return jobs.map(() => false);
    });
    const first = batcher.add(item('a'));
    await until('the first is under way', () => sizes.length === 1);
    const others = ['b', 'c', 'd'].map((id) => batcher.add(item(id)));
    answer();
    await first;
    await until('the others are under way', () => sizes.length === 2);
    answer();
    await Promise.all(others);
    expect(sizes).to.deep.equal([1, 3]);
  });

  it('tell every publisher of a shared job when it could not be added', async () => {
    const batcher = newBatcher(() => Promise.reject(new Error('away')));
    const results = await Promise.allSettled([batcher.add(item('a')), batcher.add(item('b'))]);
    expect(results.map(({ status }) => status)).to.deep.equal(['rejected', 'rejected']);
    expect(await failure(batcher.add(item('c')))).to.be.an('error');
  });
});

describe('partition of an ordering key', () => {
  it('never changes between versions: a key that moved would lose its order', () => {
    expect(['', 'a', 'zone_updated', 'ünïcode'].map((key) => partitionOf(key, 8))).to.deep.equal([5, 4, 7, 3]);
  });

  it('spreads keys over all partitions', () => {
    const counts = new Array<number>(8).fill(0);
    for (let index = 0; index < 8000; index += 1) {
      const partition = partitionOf(`user-${index}`, 8);
      counts[partition] = (counts[partition] ?? 0) + 1;
    }
    for (const count of counts) expect(count).to.be.within(800, 1200);
  });
});

describe('times of a publish', () => {
  it('takes no day or hour that does not exist for another one', () => {
    for (const text of [
      '2026-02-30T00:00:00Z',
      '2026-01-01T24:00:00Z',
      '2026-13-01T00:00:00Z',
      '2026-01-01T00:00:00',
    ]) {
      expect(parseTime(text), text).to.equal(null);
    }
    expect(parseTime('2026-01-01t00:00:00.5z')).to.equal(Date.UTC(2026, 0, 1, 0, 0, 0, 500));
    expect(parseTime('2024-02-29T23:59:59.123456789+02:00')).to.equal(Date.UTC(2024, 1, 29, 21, 59, 59, 123));
  });
});
