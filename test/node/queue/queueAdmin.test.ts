import type { JobsPage, QueueStatusReport } from '@unified-ws/protocol';
import { expect } from 'chai';
import type { Redis } from 'ioredis';
import type { TestClient } from '../../support/client.js';
import { fillQueues } from '../../support/queueFill.js';
import { adminToken, token } from '../../support/tokens.js';
import { until } from '../../support/wait.js';
import { type EventNode, startEventNode } from '../../unit/server/events/support.js';
import { type Answer, type Call, call, expectProblem, type Json } from '../../unit/server/http/support.js';
import { parseMetrics } from '../../unit/server/observability/health/support.js';
import { expectMessage } from '../support/schemas.js';
import { type LocalNode, World } from '../support/world.js';

const ADMIN = 'admin-1';
const QUEUE = '{uws:q0}:events-0';

describe('administration of the event queue', function () {
  this.timeout(15_000);
  const world = new World();
  let first: LocalNode;
  let second: LocalNode;
  let redis: Redis;
  let publisher: EventNode;
  let admin: TestClient;

  before(async () => {
    await world.start();
    [first, second] = await Promise.all([world.node(), world.node()]);
    redis = world.redis.client();
    publisher = await startEventNode(world.redis.url, { workers: false, partitions: 1 });
    // A node hears of the other by its beat.
    await until(async () => (await rest('queue')).body.workers.length === 2, { what: 'n2 knows n1' });
    await until(async () => (await call(first, 'queue', { token: adminToken() })).body.workers.length === 2, {
      what: 'n1 knows n2',
    });
  });

  beforeEach(async () => {
    admin = await world.connect(first, ADMIN, ['admin']);
  });

  afterEach(async () => {
    await admin.ask(
      'clear_event_queue',
      { states: ['waiting', 'delayed', 'failed', 'completed'] },
      'event_queue_cleared',
    );
    await admin.ask('resume_event_queue', {}, 'event_queue_resumed');
    await until(async () => (await status()).queue_size === 0, { what: 'the queue is empty' });
    await world.endClients();
  });

  after(async () => {
    await publisher.stop();
    await world.stop();
  });

  const rest = (path: string, options: Call = {}): Promise<Answer> =>
    call(second, path, { token: adminToken(ADMIN), ...options });
  const status = (jobs?: object): Promise<QueueStatusReport> =>
    admin.ask('get_event_queue_status', jobs === undefined ? {} : { jobs }, 'event_queue_status');
  const pause = () => admin.ask('pause_event_queue', {}, 'event_queue_paused');
  const fill = (name: string, count: number, job: Parameters<typeof fillQueues>[3]): Promise<void> =>
    fillQueues(publisher.queues, name, count, job);
  /** Both nodes' workers have looked for jobs once more. Each looks at least once a second. */
  async function workersHaveLooked(): Promise<void> {
    const beats = async (): Promise<number[]> =>
      Object.values(await redis.hgetall('uws:nodes')).map((beat) => Number.parseInt(beat, 10));
    const before = await beats();
    await until(async () => (await beats()).every((beat, index) => !(beat < (before[index] ?? 0) + 2)), {
      what: 'two beats of each node',
    });
  }

  it('messages that change the queue, or read it, without the permission for it', async () => {
    const user = await world.connect(first);
    const viewer = await world.connect(second, world.user(), ['viewer']);
    const refusals = async (client: TestClient, types: readonly string[]): Promise<unknown[]> =>
      Promise.all(types.map(async (type) => (await client.request(type)).data.error_code));
    const writes = ['clear_event_queue', 'retry_failed_events', 'pause_event_queue', 'resume_event_queue'];
    for (const one of await refusals(user, ['get_event_queue_status'])) expect(one).to.equal('PERMISSION_DENIED');
    for (const one of await refusals(viewer, writes)) expect(one).to.equal('PERMISSION_DENIED');
    expectMessage(await viewer.request('get_event_queue_status'), 'event_queue_status');
  });

  it('a status that miscounts, or forgets a node, misleads', async () => {
    await pause();
    await fill('a', 20, () => ({ type: 'zone_updated', events: 5 }));
    await fill('d', 3, () => ({ type: 'zone_created', dueAt: Date.now() + 3_600_000 }));
    const frame = await admin.request('get_event_queue_status', { jobs: { state: 'delayed' } });
    expectMessage(frame, 'event_queue_status');
    const report = frame.data as unknown as QueueStatusReport;
    expect(report).to.include({ queue_size: 23, paused: true, clearing: null, queue_max: 100_000 });
    expect(report.counts.waiting).to.deep.equal({ jobs: 20, events: 100, events_estimated: false });
    expect(report.counts.delayed).to.deep.equal({ jobs: 3, events: 3, events_estimated: false });
    expect(report.partitions.map(({ queue, paused }) => [queue, paused])).to.deep.equal([
      ['events-0', true],
      ['events-urgent', true],
    ]);
    expect(report.workers.map(({ node_id }) => node_id)).to.deep.equal(['n1', 'n2']);
    expect(report.missing_nodes).to.deep.equal([]);
    expect(report.oldest_age_ms).to.be.within(0, 5000);
    await redis.hset(`${QUEUE}:${await redis.lindex(`${QUEUE}:wait`, -1)}`, 'timestamp', String(Date.now() - 60_000));
    expect((await status()).oldest_age_ms).to.be.within(60_000, 65_000);
    expect(report.jobs).to.include({ state: 'delayed', total: 3 });
    expect(report.jobs?.jobs.map(({ id }) => id)).to.deep.equal(['events-0.d-0', 'events-0.d-1', 'events-0.d-2']);
    expect((await rest('queue')).body).to.deep.include({ queue_size: 23, counts: report.counts });
  });

  it('rates of the last minute that leave out what other nodes did are wrong', async () => {
    const before = await status();
    await fill('r', 30, () => ({ type: 'zone_updated' }));
    await fill('bad', 2, () => ({ type: 'no_such_type' }));
    await until(async () => (await status()).queue_size === 0, { what: 'all is done' });
    const after = await status();
    expect(after.processed_per_minute - before.processed_per_minute).to.equal(30);
    expect(after.failed_per_minute - before.failed_per_minute).to.equal(2);
    expect((await rest('queue')).body.processed_per_minute).to.equal(after.processed_per_minute);
  });

  it('a pause that one node, or a node that starts later, does not keep is none; a resume drains in order', async () => {
    const listener = await world.connect(second);
    expect(await pause()).to.include({ paused: true });
    const later = await world.node({ NODE_ID: 'later' });
    await fill('p', 300, (index) => ({ type: 'zone_updated', data: { index } }));
    await workersHaveLooked();
    expect(await status()).to.include({ queue_size: 300, paused: true });
    expect(listener.events).to.deep.equal([]);
    await until(async () => (await call(later, '/readyz')).body.notices.length > 0, { what: 'readiness tells' });
    const ready = await call(later, '/readyz');
    expect(ready.status, 'a pause takes no node out of service').to.equal(200);
    expect(ready.body.notices).to.deep.equal([
      'event_queue: events-urgent is paused by an admin',
      'event_queue: events-0 is paused by an admin',
    ]);
    expect((await rest('health')).body.reasons.join()).to.match(/queue: paused by an admin/);
    const series = parseMetrics((await call(later, '/metrics')).text).get('uws_queue_paused')?.series;
    expect(series?.map(({ value }) => value)).to.deep.equal([1, 1]);
    expect((await rest('queue/resume', { method: 'POST' })).body).to.include({ paused: false });
    await until(() => listener.events.length === 300, { what: '300 events' });
    expect(listener.events.map(({ data }) => data.index)).to.deep.equal(Array.from({ length: 300 }, (_, n) => n));
    expect((await status()).paused).to.equal(false);
  });

  it('pages over several queues that overlap, or leave a job out, cannot be walked', async () => {
    await pause();
    await fill('w', 50, (index) => ({ type: index < 25 ? 'zone_updated' : 'zone_created' }));
    const ids: string[] = [];
    for (let start = 0; start < 60; start += 7) {
      const { body } = await rest(`queue/jobs?state=waiting&start=${start}&end=${start + 6}`);
      expect(body.total).to.equal(50);
      ids.push(...(body as JobsPage).jobs.map(({ id }) => id));
    }
    expect(ids).to.deep.equal(Array.from({ length: 50 }, (_, n) => `events-0.w-${n}`));
    expect((await rest('queue/jobs?state=waiting')).body.jobs).to.have.length(20);
  });

  it('a payload that shows what its viewer may not receive leaks it', async () => {
    await pause();
    await fill('s', 1, () => ({ type: 'security_alert', data: { rule: 'r1', source_ip: '10.0.0.1' } }));
    await fill('u', 1, () => ({ type: 'no_such_type', data: { secret: 1 } }));
    const seen = async (permissions: readonly string[], id: string): Promise<Json> => {
      const viewer = token('viewer', { roles: [], claims: { permissions: ['admin:queue', ...permissions] } });
      const one = (await call(first, `queue/jobs/events-0.${id}`, { token: viewer })).body;
      const page = (await call(first, 'queue/jobs?state=waiting', { token: viewer })).body.jobs;
      expect(page.find((job: Json) => job.id === one.id)).to.deep.equal(one);
      return one;
    };
    const blind = await seen([], 's-0');
    expect(blind.events).to.have.length(1);
    expect(blind.events[0])
      .to.include({ withheld: 'permission', type: 'security_alert' })
      .and.not.have.property('data');
    expect(blind.ordering_key).to.equal(null);
    const masked = await seen(['events:receive'], 's-0');
    expect(masked.events[0].data).to.deep.equal({ rule: 'r1' });
    expect(masked).to.include({ publisher: 'service-1', ordering_key: 'security_alert', state: 'waiting' });
    const whole = await seen(['events:receive', 'events:sensitive'], 's-0');
    expect(whole.events[0].data).to.deep.equal({ rule: 'r1', source_ip: '10.0.0.1' });
    expect((await seen(['events:receive', 'events:sensitive'], 'u-0')).events[0]).to.not.have.property('data');
    expect((await rest('queue/jobs/events-0.u-0')).body.events[0].data).to.deep.equal({ secret: 1 });
    await fill('big', 1, () => ({ type: 'zone_updated', data: { text: 'x'.repeat(50_000) } }));
    const [, , big] = (await rest('queue/jobs?state=waiting')).body.jobs;
    expect(big).to.deep.include({ id: 'events-0.big-0', withheld: 'too_large', events: [], publisher: null });
    expect((await rest('queue/jobs/events-0.big-0')).body.events[0].data.text).to.have.length(50_000);
  });

  it('a job in work that could be deleted or retried would be done twice, or half', async () => {
    await pause();
    await fill('j', 2, () => ({ type: 'zone_updated' }));
    // As a worker has it: in the list of active ones, with its lock.
    await redis.rpoplpush(`${QUEUE}:wait`, `${QUEUE}:active`);
    await redis.set(`${QUEUE}:j-0:lock`, 'token', 'PX', 60_000);
    try {
      const refused = expectProblem(await rest('queue/jobs/events-0.j-0', { method: 'DELETE' }), 409, 'CONFLICT');
      expect(refused.details).to.deep.equal({ state: 'active' });
      expectProblem(await rest('queue/jobs/events-0.j-0/retry', { method: 'POST' }), 409, 'CONFLICT');
      expectProblem(await rest('queue/jobs/events-0.j-1/retry', { method: 'POST' }), 409, 'CONFLICT');
      const gone = await rest('queue/jobs/events-0.j-1', { method: 'DELETE' });
      expect(gone.body).to.deep.equal({ id: 'events-0.j-1', result: 'deleted' });
      expectProblem(await rest('queue/jobs/events-0.j-1', { method: 'DELETE' }), 404, 'NOT_FOUND');
      expect((await rest('queue/jobs/events-0.j-0')).body.state).to.equal('active');
      const cleared = await admin.ask('clear_event_queue', { reason: 'flood' }, 'event_queue_cleared');
      expect(cleared).to.include({ cleared_jobs: 0, skipped_active: 1, complete: true });
    } finally {
      await redis.del(`${QUEUE}:j-0:lock`, `${QUEUE}:active`, `${QUEUE}:j-0`);
    }
  });

  it('failed jobs come back one by one, by id, or by type and number', async () => {
    await fill('bad', 6, () => ({ type: 'no_such_type' }));
    await fill('odd', 4, () => ({ type: 'neither_this' }));
    await until(async () => (await status()).counts.failed.jobs === 10, { what: 'ten have failed' });
    await pause();
    const failed = async (): Promise<number> => (await status()).counts.failed.jobs;
    expect((await rest('queue/jobs/events-0.bad-3/retry', { method: 'POST' })).body.result).to.equal('retried');
    expect(await failed()).to.equal(9);
    const byId = await admin.ask(
      'retry_failed_events',
      { ids: ['events-0.bad-3', 'events-0.bad-4', 'events-7.x', 'events-0.none'] },
      'failed_events_retried',
    );
    expect(byId).to.include({ retried_jobs: 1, retried_events: 1, remaining_failed: 8 });
    expect(byId.not_failed).to.deep.equal(['events-0.bad-3', 'events-7.x', 'events-0.none']);
    const byType = (await rest('queue/retry-failed', { json: { event_types: ['neither_this'], limit: 3 } })).body;
    expect(byType).to.include({ retried_jobs: 3, remaining_failed: 5 });
    const waiting = (await status({ state: 'waiting' })).jobs?.jobs.map(({ id }) => id);
    expect(waiting).to.deep.equal(['bad-3', 'bad-4', 'odd-0', 'odd-1', 'odd-2'].map((id) => `events-0.${id}`));
    await admin.ask('resume_event_queue', {}, 'event_queue_resumed');
    await until(async () => (await failed()) === 10, { what: 'they have failed again' });
  });

  it('a clear takes what it was asked to take, by state, type and age, and nothing else', async () => {
    await fill('f', 4, () => ({ type: 'no_such_type' }));
    await until(async () => (await status()).counts.failed.jobs === 4, { what: 'four have failed' });
    await pause();
    await fill('old', 10, (index) => ({ type: index < 5 ? 'zone_updated' : 'zone_created', events: 3 }));
    for (let n = 0; n < 10; n += 1) {
      const [id] = await redis.lrange(`${QUEUE}:wait`, n, n);
      await redis.hset(`${QUEUE}:${id}`, 'timestamp', String(Date.now() - 60_000));
    }
    await fill('new', 10, (index) => ({ type: index < 5 ? 'zone_updated' : 'zone_created' }));
    await fill('due', 6, () => ({ type: 'zone_updated', dueAt: Date.now() + 3_600_000 }));
    const clear = async (data: object) => admin.ask('clear_event_queue', data, 'event_queue_cleared');
    const filter = { states: ['waiting'], event_types: ['zone_updated'], older_than_ms: 30_000 };
    const rehearsal = await clear({ ...filter, dry_run: true });
    expect(rehearsal).to.include({ cleared_jobs: 5, cleared_events: 15, dry_run: true });
    expect((await status()).counts.waiting.jobs).to.equal(20);
    const query = 'queue?states=waiting&event_types=zone_updated,rpz_update&older_than_ms=30000&reason=too%20old';
    const done = await rest(query, { method: 'DELETE' });
    expect(done.body).to.include({ cleared_jobs: 5, cleared_events: 15, dry_run: false, complete: true });
    expect(done.body.by_state).to.deep.equal({ waiting: { jobs: 5, events: 15 } });
    const rest1 = await clear({});
    expect(rest1.by_state).to.deep.equal({ delayed: { jobs: 6, events: 6 }, waiting: { jobs: 15, events: 25 } });
    expect(rest1.cleared_events).to.equal(31);
    expect((await status()).counts.failed.jobs, 'failed jobs go only when named').to.equal(4);
    expect((await clear({ states: ['failed'] })).by_state).to.deep.equal({ failed: { jobs: 4, events: 4 } });
    expect(await redis.keys(`${QUEUE}:*[0-9]*`), 'nothing of the jobs is left behind').to.deep.equal([]);
  });

  it('a second clear beside the first is refused, and a clear that died blocks the next for seconds only', async () => {
    const dead = {
      by: 'x',
      node_id: 'gone',
      started_at: '2026-01-01T00:00:00.000Z',
      cleared_jobs: 7,
      cleared_events: 9,
    };
    await redis.hset('uws:clear', { token: 't', progress: JSON.stringify(dead) });
    await redis.pexpire('uws:clear', 700);
    expect((await status()).clearing).to.deep.equal(dead);
    const refused = await admin.request('clear_event_queue', {});
    expectMessage(refused, 'error');
    expect(refused.data.error_code).to.equal('CONFLICT');
    expect((await admin.request('clear_event_queue', { dry_run: true })).type).to.equal('event_queue_cleared');
    await until(async () => (await admin.request('clear_event_queue', {})).type === 'event_queue_cleared', {
      what: 'the next clear has its turn',
    });
    expect((await status()).clearing).to.equal(null);
  });

  it('an order without a record of who gave it, why, and what came of it, is none', async () => {
    await redis.del('uws:audit');
    await fill('a', 5, () => ({ type: 'no_such_type' }));
    await until(async () => (await status()).counts.failed.jobs === 5, { what: 'five have failed' });
    await admin.ask('pause_event_queue', { reason: 'too hot' }, 'event_queue_paused');
    await rest('queue/jobs/events-0.a-0/retry', { json: { reason: 'again' } });
    await rest('queue/jobs/events-0.a-0/retry', { json: {} });
    await rest('queue/jobs/events-0.a-1?reason=junk', { method: 'DELETE' });
    await rest('queue/jobs/events-0.none', { method: 'DELETE' });
    await admin.ask('retry_failed_events', { limit: 2 }, 'failed_events_retried');
    await rest('queue?states=waiting,failed', { method: 'DELETE' });
    await admin.ask('resume_event_queue', {}, 'event_queue_resumed');
    // An answer does not wait for its record.
    const { records } = await until(
      async () => {
        const { body } = await rest('audit');
        return body.records.length >= 8 && body.records.every(({ ended_at }: Json) => ended_at !== null) && body;
      },
      { what: 'eight records' },
    );
    expect(
      records.map(({ action, target, reason, result, via }: Json) => [action, target, reason, result, via]),
    ).to.deep.equal([
      ['resume_queue', 'event_queue', '', 'resumed', 'websocket'],
      ['clear_queue', 'event_queue waiting,failed', '', 'cleared 4 events in 4 jobs', 'rest'],
      ['retry_failed', 'event_queue', '', 'retried 2 events in 2 jobs', 'websocket'],
      ['delete_job', 'events-0.none', '', 'not_found', 'rest'],
      ['delete_job', 'events-0.a-1', 'junk', 'deleted (failed)', 'rest'],
      ['retry_job', 'events-0.a-0', '', 'CONFLICT', 'rest'],
      ['retry_job', 'events-0.a-0', 'again', 'retried', 'rest'],
      ['pause_queue', 'event_queue', 'too hot', 'paused', 'websocket'],
    ]);
    for (const record of records) {
      expect(record.actor).to.equal(ADMIN);
      expect(record.ip).to.match(/127\.0\.0\.1$/);
      expect(Date.parse(record.at)).to.be.within(Date.now() - 60_000, Date.now());
    }
    const done = parseMetrics((await call(second, '/metrics')).text).get('uws_queue_admin_total')?.series ?? [];
    expect(done.find(({ labels }) => labels.done === 'deleted_jobs')?.value).to.be.at.least(1);
  });
});

describe('a Redis that is full of jobs', function () {
  this.timeout(15_000);
  const world = new World();

  before(() => world.start());
  after(() => world.stop());

  // Q6. Without `allow-oom` in laneWalk.lua or lock.lua the answer is UNAVAILABLE.
  it('can be cleared, or nothing but a restart without its data would help', async () => {
    const node = await world.node();
    const publisher = await startEventNode(world.redis.url, { workers: false, partitions: 1 });
    const admin = await world.admin(node);
    const redis = world.redis.client();
    await admin.ask('pause_event_queue', {}, 'event_queue_paused');
    await fillQueues(publisher.queues, 'e', 300, () => ({ type: 'zone_updated', data: { text: 'x'.repeat(1000) } }));
    await redis.config('SET', 'maxmemory', '1');
    try {
      const cleared = await admin.ask('clear_event_queue', {}, 'event_queue_cleared');
      expect(cleared).to.include({ cleared_jobs: 300, complete: true });
    } finally {
      await redis.config('SET', 'maxmemory', '0');
      await publisher.stop();
    }
  });
});

describe('the status of the event queue when somebody does not answer', function () {
  this.timeout(15_000);
  const world = new World();
  const TIMEOUT_MS = 500;
  let node: LocalNode;

  before(async () => {
    await world.start();
    node = await world.node({ COMMAND_TIMEOUT_MS: String(TIMEOUT_MS), REDIS_COMMAND_TIMEOUT_MS: String(TIMEOUT_MS) });
  });
  after(() => world.stop());

  it('names a node that is silent instead of leaving it out', async () => {
    const admin = await world.admin(node);
    const redis = world.redis.client();
    await redis.hset('uws:nodes', 'silent.abc', '1');
    const report = await until(
      async () => {
        const found = await admin.ask('get_event_queue_status', {}, 'event_queue_status');
        return found.missing_nodes.length > 0 && found;
      },
      { what: 'the node is noticed' },
    );
    expect(report.missing_nodes).to.deep.equal(['silent']);
    expect(report.workers.map(({ node_id }) => node_id)).to.deep.equal(['n1']);
    await redis.hset('uws:nodes', 'silent.abc', 'ended');
  });

  it('is told that Redis is away, and so is whoever wants to clear, instead of waiting for ever', async () => {
    const admin = await world.admin(node);
    world.redis.pause();
    try {
      for (const type of ['get_event_queue_status', 'clear_event_queue', 'pause_event_queue']) {
        const frame = await admin.request(type);
        expectMessage(frame, 'error');
        expect(frame.data.error_code, type).to.equal('UNAVAILABLE');
      }
    } finally {
      world.redis.resume();
    }
  });
});
