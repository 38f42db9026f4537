import { expect } from 'chai';
import type { Case } from './support/case.js';
import type { Client, Data } from './support/client.js';
import { covers } from './support/coverage.js';

/** Delayed and cleared here: nobody else's events may be of this type while the suite runs. */
const TYPE = 'webhook_triggered';
const TEN_MINUTES_MS = 600_000;

/** An event that lies in the queue until the end of the test. */
async function delayed(t: Case): Promise<string> {
  t.undo(() => t.rest('DELETE', `/queue?event_types=${TYPE}&states=delayed`));
  return t.publish({ event_type: TYPE, data: { name: t.name() }, delay_ms: TEN_MINUTES_MS });
}

/** The job that holds the event. */
async function jobOf(admin: Client, eventId: string): Promise<Data> {
  for (let start = 0; ; start += 100) {
    const jobs = { state: 'delayed', start, end: start + 99 };
    const { jobs: page } = await admin.ask('get_event_queue_status', { jobs }, 'event_queue_status');
    const { jobs: found, total } = page as { jobs: Data[]; total: number };
    const job = found.find(({ events }) => (events as Data[]).some(({ id }) => id === eventId));
    if (job) return job;
    if (start + 100 >= total) throw new Error(`no delayed job holds ${eventId}`);
  }
}

describe('the event queue', () => {
  covers(
    { client: ['get_event_queue_status'], server: ['event_queue_status'], routes: ['GET /queue', 'GET /queue/jobs'] },
    'its state and its jobs can be looked at, alike by message and by REST',
    async (t) => {
      const admin = await t.admin();
      const id = await delayed(t);
      const job = await jobOf(admin, id);
      expect(job).to.include({ state: 'delayed', event_type: TYPE, event_count: 1, publisher: admin.userId });
      const status = await admin.ask('get_event_queue_status', undefined, 'event_queue_status');
      expect(status.missing_nodes).to.deep.equal([]);
      expect((status.counts as Record<string, Data>).delayed?.jobs)
        .to.be.a('number')
        .that.is.at.least(1);
      expect(status).to.not.have.property('jobs');
      const rest = await t.rest('GET', '/queue');
      expect(rest.status).to.equal(200);
      expect(rest.body).to.have.all.keys(Object.keys(status));
      const page = await t.rest('GET', '/queue/jobs?state=delayed&start=0&end=0');
      expect(page.body).to.include({ state: 'delayed', start: 0, end: 0 });
      expect(page.body.jobs).to.have.length(1);
    },
  );

  covers(
    { client: ['list_events'], server: ['event_list'], routes: ['GET /events', 'GET /events/:event_id'] },
    'an event that was appended is listed, alike by message and by REST, and found by its id',
    async (t) => {
      const [user, admin] = [await t.user(), await t.admin()];
      const id = await t.publish({ event_type: 'custom_event', data: { name: t.name() } });
      await user.event(id);
      const filter = { event_type: 'custom_event', publisher: admin.userId, limit: 100 };
      let listed: Data | undefined;
      // It is recorded at once or a little later, as the way of the event has it.
      while (listed === undefined) {
        const { events } = await admin.ask('list_events', filter, 'event_list');
        listed = (events as Data[]).find(({ event_id }) => event_id === id);
      }
      expect(listed).to.include({
        status: 'appended',
        target_count: null,
        event_type: 'custom_event',
        publisher: admin.userId,
      });
      const query = `event_type=custom_event&publisher=${admin.userId}&limit=100`;
      const rest = await t.rest('GET', `/events?${query}`);
      expect(rest.status).to.equal(200);
      expect((rest.body.events as Data[]).find(({ event_id }) => event_id === id)).to.deep.equal(listed);
      const wrong = await t.rest('GET', '/events?from=yesterday');
      expect(wrong.body).to.include({ code: 'VALIDATION_ERROR' });
    },
  );

  covers(
    { client: ['clear_event_queue'], server: ['event_queue_cleared'], routes: ['DELETE /queue'] },
    'what is cleared is counted first if asked to, filtered, and gone',
    async (t) => {
      const admin = await t.admin();
      const ids = [await delayed(t), await delayed(t)];
      const filter = { event_types: [TYPE], states: ['delayed'] };
      const dry = await admin.ask('clear_event_queue', { ...filter, dry_run: true }, 'event_queue_cleared');
      expect(dry).to.include({ cleared_events: 2, cleared_jobs: 2, dry_run: true, complete: true });
      await jobOf(admin, ids[1] as string);
      const young = await admin.ask(
        'clear_event_queue',
        { ...filter, older_than_ms: TEN_MINUTES_MS },
        'event_queue_cleared',
      );
      expect(young.cleared_events).to.equal(0);
      const reason = 'conformance';
      const done = await admin.ask('clear_event_queue', { ...filter, reason }, 'event_queue_cleared');
      expect(done).to.include({ cleared_events: 2, dry_run: false });
      const rest = await t.rest('DELETE', `/queue?event_types=${TYPE}&states=delayed&dry_run=true`);
      expect(rest.body).to.include({ cleared_events: 0, dry_run: true });
      expect((await t.rest('GET', `/events/${ids[0]}`)).body.status).to.equal('unknown');
    },
  );

  covers(
    {
      client: ['pause_event_queue', 'resume_event_queue', 'publish_event'],
      server: ['event_queue_paused', 'event_queue_resumed'],
      routes: ['POST /queue/pause', 'POST /queue/resume'],
    },
    'a paused queue takes events and delivers none; when it goes on, all of them come, in order',
    async (t) => {
      const [user, admin] = [await t.user(), await t.admin()];
      t.undo(() => t.rest('POST', '/queue/resume'));
      const key = t.name();
      const event = { event_type: 'custom_event', data: { name: key }, ordering_key: key };
      const ids: unknown[] = [];
      for (const way of ['message', 'rest']) {
        const paused =
          way === 'message'
            ? await admin.ask('pause_event_queue', { reason: 'conformance' }, 'event_queue_paused')
            : (await t.rest('POST', '/queue/pause', { body: { reason: 'conformance' } })).body;
        expect(paused, way).to.include({ paused: true });
        ids.push((await admin.ask('publish_event', event, 'event_accepted')).event_id);
        const status = await admin.ask('get_event_queue_status', undefined, 'event_queue_status');
        expect(status.paused, way).to.equal(true);
        expect((await t.rest('GET', `/events/${ids.at(-1)}`)).body.status, way).to.equal('queued');
        const resumed =
          way === 'message'
            ? await admin.ask('resume_event_queue', undefined, 'event_queue_resumed')
            : (await t.rest('POST', '/queue/resume')).body;
        expect(resumed, way).to.include({ paused: false });
        await user.event(ids.at(-1));
      }
      expect(user.events.filter(({ data }) => data.name === key).map(({ id }) => id)).to.deep.equal(ids);
    },
  );

  covers(
    { client: ['retry_failed_events'], server: ['failed_events_retried'], routes: ['POST /queue/retry-failed'] },
    'a retry tells which of the given jobs are not failed, and may be bounded to types that there are none of',
    async (t) => {
      const admin = await t.admin();
      const job = await jobOf(admin, await delayed(t));
      const ids = [job.id, 'events-0.no-such-job'];
      const expected = { retried_jobs: 0, retried_events: 0, complete: true };
      const byMessage = await admin.ask('retry_failed_events', { ids }, 'failed_events_retried');
      expect(byMessage).to.include(expected);
      expect(byMessage.not_failed).to.have.members(ids);
      const byType = await admin.ask('retry_failed_events', { event_types: [TYPE], limit: 5 }, 'failed_events_retried');
      expect(byType).to.include(expected);
      const rest = await t.rest('POST', '/queue/retry-failed', { body: { ids } });
      expect(rest.body).to.include(expected);
    },
  );

  covers(
    {
      errors: ['CONFLICT'],
      routes: ['GET /queue/jobs/:id', 'DELETE /queue/jobs/:id', 'POST /queue/jobs/:id/retry'],
    },
    'a single job is looked at, deleted, and retried only when it has failed',
    async (t) => {
      const admin = await t.admin();
      const { id } = await jobOf(admin, await delayed(t));
      const path = `/queue/jobs/${id}`;
      expect((await t.rest('GET', path)).body).to.include({ id, state: 'delayed' });
      const conflict = await t.rest('POST', `${path}/retry`);
      expect(conflict.status).to.equal(409);
      expect(conflict.body).to.deep.include({ code: 'CONFLICT', details: { state: 'delayed' } });
      const deleted = await t.rest('DELETE', `${path}?reason=conformance`);
      expect(deleted.body).to.deep.equal({ id, result: 'deleted' });
      for (const method of ['GET', 'DELETE']) expect((await t.rest(method, path)).status, method).to.equal(404);
      expect((await t.rest('POST', `${path}/retry`)).status).to.equal(404);
    },
  );
});
