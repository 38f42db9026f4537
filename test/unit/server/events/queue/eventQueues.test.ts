import { loadCatalogue } from '@unified-ws/server/events/catalogue/eventCatalogue';
import type { StoredEvent } from '@unified-ws/server/events/event/storedEvent';
import { Queue } from 'bullmq';
import { expect } from 'chai';
import { EventSuite } from '../eventSuite.js';
import { type EventNode, failure, logged, SERVICE, storedEvent, until } from '../support.js';

const EVENT = { event_type: 'zone_updated', data: {} } as const;

/** A gate that holds whoever passes it until it is opened. */
function gate(): { pass: () => Promise<void>; open: () => void; waiting: () => number } {
  let open = (): void => undefined;
  let waiting = 0;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  const pass = async (): Promise<void> => {
    waiting += 1;
    await opened;
  };
  return { pass, open: () => open(), waiting: () => waiting };
}

describe('event queues', function () {
  this.timeout(20_000);
  const suite = EventSuite.make('each');

  async function appended(node: EventNode, count: number, ms = 5000): Promise<StoredEvent[]> {
    await until(`${count} in the log`, async () => (await node.log.head()).offset >= count, ms);
    return (await logged(node.log)).map(({ event }) => event);
  }

  it('keep the order of each key with workers on three nodes', async () => {
    const three = await Promise.all([1, 2, 3].map((index) => suite.start({ nodeId: `node-${index}`, partitions: 4 })));
    const [first] = three;
    if (!first) throw new Error('no node');
    const keys = Array.from({ length: 12 }, (_, index) => `key-${index}`);
    for (let round = 0; round < 40; round += 1) {
      const node = three[round % 3] ?? first;
      await Promise.all(
        keys.map((key) => node.publisher.publish({ ...EVENT, ordering_key: key, data: { key, round } }, SERVICE)),
      );
    }
    const events = await appended(first, 480);
    expect(events).to.have.length(480);
    for (const key of keys) {
      const rounds = events.filter(({ data }) => data.key === key).map(({ data }) => data.round);
      expect(rounds, key).to.deep.equal(Array.from({ length: 40 }, (_, index) => index));
    }
    const workers = three.filter(({ queues }) => queues.stats().lanes.some(({ appended: count }) => count > 0));
    expect(workers.length, 'nodes that took part').to.be.above(1);
  });

  it('let urgent and critical events overtake a backlog', async () => {
    const { pass, open, waiting } = gate();
    const slow = (events: readonly StoredEvent[]): Promise<void> =>
      events.some(({ priority }) => priority === 'urgent' || priority === 'critical') ? Promise.resolve() : pass();
    const node = await suite.start({ partitions: 1, beforeAppend: slow });
    const backlog = Array.from({ length: 300 }, (_, index) => ({ ...EVENT, data: { index } }));
    await node.publisher.publish(backlog, SERVICE);
    await until('the backlog to block its queue', () => waiting() === 1);
    const receipts = await node.publisher.publish(
      [
        { ...EVENT, priority: 'urgent' },
        { event_type: 'security_alert', data: {} },
      ],
      SERVICE,
    );
    expect(receipts.map(({ queue }) => queue)).to.deep.equal(['events-urgent', 'events-urgent']);
    expect((await appended(node, 2)).map(({ priority }) => priority)).to.deep.equal(['urgent', 'critical']);
    open();
    const events = await appended(node, 302);
    expect(events.slice(2).map(({ data }) => data.index)).to.deep.equal(backlog.map(({ data }) => data.index));
  });

  it('append nothing while the node is fenced, and lose nothing by it', async () => {
    let fenced = true;
    const node = await suite.start({ mayAppend: () => !fenced });
    await node.publisher.publish(EVENT, SERVICE);
    await until('the job to be taken', async () => active(node));
    expect((await node.log.head()).offset).to.equal(0);
    fenced = false;
    await appended(node, 1);
  });

  async function active(node: EventNode): Promise<boolean> {
    return [...(await node.queues.counts()).values()].some((counts) => counts.active === 1);
  }

  it('leave the jobs of a node that stays fenced to the others, in order', async () => {
    let fenced = true;
    const lame = await suite.start({ partitions: 1, mayAppend: () => !fenced, nodeId: 'lame' });
    const events = Array.from({ length: 5 }, (_, index) => ({ ...EVENT, id: `${index}`, data: { index } }));
    for (const event of events) await lame.publisher.publish(event, SERVICE);
    await until('a job to be taken', () => active(lame));
    const sound = await suite.start({ partitions: 1, nodeId: 'sound' });
    const log = await appended(sound, 5);
    expect(log.map(({ data }) => data.index)).to.deep.equal([0, 1, 2, 3, 4]);
    expect(lame.queues.stats().standingAside).to.equal(true);
    fenced = false;
    await until('the node to work again', () => !lame.queues.stats().standingAside);
    await sound.stop();
    await lame.publisher.publish(EVENT, SERVICE);
    await appended(lame, 6);
  });

  it('retry infrastructure errors in place, so that the order stays and nothing fails', async () => {
    let failures = 3;
    const flaky = (): Promise<void> => (failures-- > 0 ? Promise.reject(new Error('MISCONF disk')) : Promise.resolve());
    const node = await suite.start({ partitions: 1, beforeAppend: flaky });
    for (const index of [0, 1, 2]) await node.publisher.publish({ ...EVENT, data: { index } }, SERVICE);
    await until('a retry to show', () => node.queues.stats().lanes.some(({ retrying }) => retrying !== null));
    const shown = node.queues.stats().lanes.find(({ retrying }) => retrying !== null);
    expect(shown?.retrying?.error).to.equal('MISCONF disk');
    expect(shown?.queue).to.equal('events-0');
    expect((await appended(node, 3)).map(({ data }) => data.index)).to.deep.equal([0, 1, 2]);
    expect(node.queues.stats().lanes.every(({ retrying }) => retrying === null)).to.equal(true);
    expect(node.reports.map(({ where }) => where)).to.include('events.append');
    expect([...(await node.queues.counts()).values()].every(({ failed }) => failed === 0)).to.equal(true);
  });

  it('put what can never be appended into the failed set, and append the rest of its job', async () => {
    const node = await suite.start({ partitions: 1 });
    const queue = new Queue('events-0', { connection: suite.server.client(), prefix: node.keys.queuePrefix(0) });
    const good = [storedEvent('good-1'), storedEvent('good-2')];
    const bad = [
      { ...storedEvent('unknown'), type: 'gone_type' },
      { ...storedEvent('huge'), data: { text: 'x'.repeat(300_000) } },
      { id: 7 },
    ];
    await queue.add('zone_updated', { publisher: 'p', ordering_key: 'k', events: [good[0], ...bad, good[1]] });
    await queue.add('nonsense', 'text');
    await until('four failed jobs', async () => (await queue.getFailedCount()) === 4);
    const events = await appended(node, 2);
    expect(events.map(({ id }) => id)).to.deep.equal(['good-1', 'good-2']);
    const reasons = (await queue.getFailed()).map(({ failedReason }) => failedReason);
    expect(reasons).to.have.members([
      'unknown event type gone_type',
      'the event has 300148 bytes, allowed are 262144',
      'the event lacks an id, a type or data',
      'the job holds no events',
    ]);
    await node.publisher.publish(EVENT, SERVICE);
    await appended(node, 3);
    await queue.close();
  });

  it('refuse to start with another number of partitions than the cluster has (Q7)', async () => {
    const node = await suite.start({ partitions: 4 });
    const error = await failure(suite.start({ partitions: 8 }));
    expect(String(error)).to.match(/EVENT_QUEUE_PARTITIONS is 8, but this cluster runs with 4.*empty.*uws:partitions/);
    await node.stop();
    expect(await suite.server.client().get('uws:partitions')).to.equal('4');
  });

  it('go on by themselves after Redis was restarted and emptied, one job at a time again (Q4)', async () => {
    const node = await suite.start({ partitions: 2 });
    await node.publisher.publish(EVENT, SERVICE);
    await appended(node, 1);
    const concurrency = (): Promise<string | null> =>
      suite.server.client().hget('{uws:q0}:events-0:meta', 'concurrency');
    expect(await concurrency()).to.equal('1');
    await suite.server.restart();
    await until('the limit to be set again', async () => (await concurrency()) === '1');
    await until("the log's connection to be back", () => node.command.status === 'ready');
    await until('an accepted event', async () => {
      const answer = await node.publisher.publish(EVENT, SERVICE).catch((error: unknown) => error);
      return Array.isArray(answer);
    });
    await appended(node, 1, 10_000);
    await suite.server.client().flushall();
    await node.queues.restore();
    expect(await concurrency()).to.equal('1');
    expect(await suite.server.client().get('uws:partitions')).to.equal('2');
    await node.publisher.publish(EVENT, SERVICE);
    await appended(node, 1);
  });

  // Seen red without the look before each append: those that took theirs later came first.
  it('keep the order when Redis was emptied and every worker takes a job, before anybody has set the limit again (Q4)', async () => {
    const fenced = new Set<string>();
    const ids = ['node-1', 'node-2', 'node-3'];
    const nodes = await Promise.all(
      ids.map((nodeId) => suite.start({ nodeId, partitions: 1, mayAppend: () => !fenced.has(nodeId) })),
    );
    const [node] = nodes as [EventNode];
    const redis = suite.server.client();
    const prefix = '{uws:q0}:events-0';
    const inWork = (): Promise<number> => redis.llen(`${prefix}:active`);
    for (const id of ids) fenced.add(id);
    await redis.flushall();
    for (const n of [1, 2, 3, 4]) await node.publisher.publish({ ...EVENT, data: { n } }, SERVICE);
    await until('each worker to have a job', async () => (await inWork()) === 3);
    const first = await redis.hget(`${prefix}:${await redis.lindex(`${prefix}:active`, -1)}`, 'pb');
    for (const id of ids) if (id !== first) fenced.delete(id);
    await until('the others to go back, or on', async () => {
      return (await inWork()) === 1 || (await node.log.head()).offset > 0;
    });
    fenced.clear();
    const events = await appended(node, 4, 15_000);
    expect(events.map(({ data }) => data.n)).to.deep.equal([1, 2, 3, 4]);
    expect(await redis.hmget(`${prefix}:meta`, 'concurrency', 'opts.maxLenEvents')).to.deep.equal(['1', '100']);
  });

  // Seen red without `gone`: it was appended behind what was accepted after it.
  it('leave alone a job in work that went with the data: what was accepted later is in the log already', async () => {
    let fenced = false;
    const lame = await suite.start({ partitions: 1, nodeId: 'lame', mayAppend: () => !fenced });
    const redis = suite.server.client();
    fenced = true;
    await lame.publisher.publish({ ...EVENT, data: { n: 1 } }, SERVICE);
    await until('it to be in work', async () => (await redis.llen('{uws:q0}:events-0:active')) === 1);
    const sound = await suite.start({ partitions: 1, nodeId: 'sound' });
    await redis.flushall();
    await sound.publisher.publish({ ...EVENT, data: { n: 2 } }, SERVICE);
    await appended(sound, 1);
    fenced = false;
    await until('it to be left alone', () => lame.reports.some(({ where }) => where === 'events.gone'));
    await sound.publisher.publish({ ...EVENT, data: { n: 3 } }, SERVICE);
    expect((await appended(sound, 2)).map(({ data }) => data.n)).to.deep.equal([2, 3]);
  });

  it('keep what was accepted over a restart of Redis with an append-only file', async () => {
    await suite.replaceRedis({ appendonly: true, args: ['--appendfsync', 'always'] });
    const idle = await suite.start({ workers: false });
    await idle.publisher.publish(
      Array.from({ length: 50 }, (_, index) => ({ ...EVENT, data: { index } })),
      SERVICE,
    );
    await suite.server.kill9();
    await suite.server.restart();
    const node = await suite.start();
    const events = await appended(node, 50);
    expect(events.map(({ data }) => data.index)).to.deep.equal(Array.from({ length: 50 }, (_, index) => index));
  });

  it('wait out a frozen Redis, and append what was in work once', async () => {
    const { pass, open, waiting } = gate();
    const node = await suite.start({ partitions: 1, beforeAppend: pass });
    await node.publisher.publish({ ...EVENT, id: '1' }, SERVICE);
    await until('the job to be in work', () => waiting() === 1);
    suite.server.pause();
    open();
    await until('a retry', () => node.queues.stats().lanes.some(({ retrying }) => retrying !== null));
    suite.server.resume();
    const [event] = await appended(node, 1);
    expect(event?.id).to.match(/_1$/);
    await until('the job to end', async () => !(await active(node)));
    expect((await node.log.head()).offset).to.equal(1);
  });

  it('count the jobs by queue and state', async () => {
    const node = await suite.start({ partitions: 2, workers: false });
    await node.publisher.publish({ ...EVENT, priority: 'critical' }, SERVICE);
    await node.publisher.publish([{ ...EVENT, delay_ms: 60_000 }, EVENT], SERVICE);
    const counts = await node.queues.counts();
    expect([...counts.keys()]).to.have.members(['events-0', 'events-1', 'events-urgent']);
    expect(counts.get('events-urgent')).to.deep.equal({ waiting: 1, active: 0, delayed: 0, failed: 0, completed: 0 });
    const normal = [...counts.entries()].filter(([name]) => name !== 'events-urgent').map(([, value]) => value);
    expect(normal.reduce((sum, { delayed }) => sum + delayed, 0)).to.equal(1);
    expect(normal.reduce((sum, { waiting }) => sum + waiting, 0)).to.equal(1);
  });

  it('know every type of the default catalogue, or whole types would be poison', async () => {
    const node = await suite.start({ partitions: 1 });
    const types = loadCatalogue().types();
    await node.publisher.publish(
      types.map((event_type) => ({ event_type, data: {} })),
      { ...SERVICE, permissions: new Set(['events:publish', 'events:publish_admin', 'admin:broadcast']) },
    );
    expect(await appended(node, types.length)).to.have.length(types.length);
  });
});
