import { expect } from 'chai';
import { adminToken } from '../../support/tokens.js';
import { call, expectProblem } from '../../unit/server/http/support.js';
import { expectMessage } from '../support/schemas.js';
import { type LocalNode, World } from '../support/world.js';

describe('bad requests about the queue', function () {
  this.timeout(10_000);
  const world = new World();
  let node: LocalNode;

  before(async () => {
    await world.start();
    node = await world.node({ MAX_CONSECUTIVE_ERRORS: '1000' });
  });
  after(() => world.stop());

  const requests: readonly [method: string, path: string, fault: string, json?: unknown][] = [
    ['GET', 'queue?state=failed', '/state'],
    ['GET', 'queue/jobs', ''],
    ['GET', 'queue/jobs?state=nonsense', '/state'],
    ['GET', 'queue/jobs?state=failed&start=-1', '/start'],
    ['GET', 'queue/jobs?state=failed&start=1e3', '/start'],
    ['GET', 'queue/jobs?state=failed&start=5&end=4', '/end'],
    ['GET', 'queue/jobs?state=failed&end=100', '/end'],
    ['GET', 'queue/jobs?state=failed&state=active', '/state'],
    ['GET', 'queue/jobs/nonsense', '/id'],
    ['GET', 'queue/jobs/events-0.a%2Fb', '/id'],
    ['GET', 'queue/jobs/events-0.meta%00', '/id'],
    ['DELETE', 'queue/jobs/events-0', '/id'],
    ['POST', 'queue/jobs/x.1/retry', '/id'],
    ['DELETE', 'queue?states=active', '/states/0'],
    ['DELETE', 'queue?states=', '/states/0'],
    ['DELETE', 'queue?state=failed', '/state'],
    ['DELETE', 'queue?dry_run=yes', '/dry_run'],
    ['DELETE', 'queue?dry_run', '/dry_run'],
    ['DELETE', 'queue?older_than_ms=soon', '/older_than_ms'],
    ['DELETE', 'queue?event_types=', '/event_types/0'],
    ['DELETE', 'queue', '', { states: ['failed'] }],
    ['POST', 'queue/retry-failed', '/ids/0', { ids: ['x'] }],
    ['POST', 'queue/retry-failed', '/ids', { ids: [] }],
    ['POST', 'queue/retry-failed', '/limit', { ids: ['events-0.a'], limit: 1 }],
    ['POST', 'queue/retry-failed', '/event_types', { ids: ['events-0.a'], event_types: ['x'] }],
    ['POST', 'queue/retry-failed', '/limit', { limit: 0 }],
    ['POST', 'queue/pause', '/reason', { reason: 7 }],
    ['POST', 'queue/pause', '/minutes', { minutes: 7 }],
    ['GET', 'audit?since=yesterday', '/since'],
    ['GET', 'audit?since=2026-02-30T00:00:00Z', '/since'],
    ['GET', 'audit?cursor=x', '/cursor'],
    // Redis takes neither, and that was answered as if it were away.
    ['GET', 'audit?cursor=0-0', '/cursor'],
    ['GET', 'audit?cursor=18446744073709551616-0', '/cursor'],
    ['GET', 'audit?limit=101', '/limit'],
    ['GET', 'audit?who=me', '/who'],
  ];

  for (const [method, path, fault, json] of requests) {
    it(`${method} ${path} ${json === undefined ? '' : JSON.stringify(json)} is refused with the place of its fault`, async () => {
      const options = json === undefined ? { method } : { method, json };
      const answer = await call(node, path, { token: adminToken(), ...options });
      const problem = expectProblem(answer, 400, 'VALIDATION_ERROR');
      expect(problem.errors?.map((one) => one.path)).to.deep.equal([fault]);
    });
  }

  it('messages with such data are refused the same way', async () => {
    const admin = await world.admin(node);
    const messages: readonly [type: string, data: object][] = [
      ['get_event_queue_status', { jobs: {} }],
      ['get_event_queue_status', { jobs: { state: 'failed', start: 5, end: 4 } }],
      ['get_event_queue_status', { jobs: { state: 'failed', end: 100 } }],
      ['clear_event_queue', { states: ['active'] }],
      ['clear_event_queue', { states: [] }],
      ['clear_event_queue', { older_than: 5 }],
      ['retry_failed_events', { ids: ['x'] }],
      ['retry_failed_events', { ids: ['events-0.a'], limit: 1 }],
      ['pause_event_queue', { reason: 5 }],
      ['resume_event_queue', { force: true }],
    ];
    for (const [type, data] of messages) {
      const frame = await admin.request(type, data);
      expectMessage(frame, 'validation_error');
      expect(frame.data.errors, JSON.stringify(frame)).to.have.length(1);
    }
  });
});
