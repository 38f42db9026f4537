import { expect } from 'chai';
import type { Answer } from './support/case.js';
import type { Data } from './support/client.js';
import { covers } from './support/coverage.js';
import { TIME } from './support/frames.js';
import { userToken } from './support/target.js';

/** Routes that need a permission: method, path, body. None of them changes anything as it stands here. */
const PROTECTED: readonly [method: string, path: string, body?: Data][] = [
  ['GET', '/stats'],
  ['GET', '/health'],
  ['GET', '/errors'],
  ['GET', '/nodes'],
  ['GET', '/connections'],
  ['GET', '/audit'],
  ['GET', '/queue'],
  ['GET', '/queue/jobs?state=failed'],
  ['GET', '/queue/jobs/events-0.none'],
  ['GET', '/user/nobody'],
  ['GET', '/users/nobody/mailbox'],
  ['GET', '/events/none'],
  ['POST', '/events', { event_type: 'no_such_type', data: {} }],
  ['POST', '/broadcast', { event_type: 'no_such_type', data: {} }],
  ['POST', '/disconnect/nobody', { reason: 7 }],
  ['POST', '/users/nobody/revoke', { session: 7 }],
  ['POST', '/users/nobody/permissions-changed', { roles: 7 }],
  ['DELETE', '/users/nobody/ban'],
  ['POST', '/nodes/no-such-node/drain', {}],
  ['DELETE', '/queue?states=none'],
  ['DELETE', '/queue/jobs/events-0.none'],
  ['POST', '/queue/jobs/events-0.none/retry', {}],
  ['POST', '/queue/retry-failed', { limit: 0 }],
  ['POST', '/queue/pause', { reason: 7 }],
  ['POST', '/queue/resume', { reason: 7 }],
  ['POST', '/catalogue/reload', {}],
  ['GET', '/rollout'],
  ['PUT', '/rollout', { mode: 'none' }],
  ['POST', '/rollout/rollback', { reason: 7 }],
  ['POST', '/rollout/restore', { reason: 7 }],
  ['GET', '/rollout/users/nobody'],
  ['GET', '/legacy/connections'],
];

function expectProblem(answer: Answer, status: number, code: string, what: string): void {
  expect(answer.status, what).to.equal(status);
  expect(answer.headers.get('content-type'), what).to.match(/^application\/problem\+json/);
  expect(answer.body, what).to.include({ type: 'about:blank', status, code });
  expect(answer.body.title, what).to.be.a('string').that.is.not.empty;
}

describe('the REST interface', () => {
  covers(
    { errors: ['AUTH_ERROR'] },
    'nothing is told to, or done for, whoever brings no token or a bad one',
    async (t) => {
      for (const [method, path, body] of PROTECTED) {
        const what = `${method} ${path}`;
        const without = await t.rest(method, path, { token: null, ...(body ? { body } : {}) });
        expectProblem(without, 401, 'AUTH_ERROR', what);
        expect(without.headers.get('www-authenticate'), what).to.match(/^Bearer /);
        const bad = await t.rest(method, path, { token: 'rubbish', ...(body ? { body } : {}) });
        expectProblem(bad, 401, 'AUTH_ERROR', what);
        expect(bad.headers.get('www-authenticate'), what).to.include('invalid_token');
      }
    },
  );

  covers(
    { errors: ['PERMISSION_DENIED'] },
    'a user without the permission is refused before his input is looked at',
    async (t) => {
      for (const [method, path, body] of PROTECTED) {
        const answer = await t.rest(method, path, { token: userToken(), ...(body ? { body } : {}) });
        expectProblem(answer, 403, 'PERMISSION_DENIED', `${method} ${path}`);
        expect(answer.headers.get('www-authenticate')).to.include('insufficient_scope');
      }
    },
  );

  covers({ errors: ['VALIDATION_ERROR'] }, 'input that does not fit is refused with its place', async (t) => {
    const wrong: [string, string, Data | undefined, string][] = [
      ['POST', '/events', { event_type: 'no_such_type', data: {} }, '/event_type'],
      ['POST', '/events', { event_type: 'custom_event', data: [] }, '/data'],
      ['POST', '/broadcast', { event_type: 'custom_event', data: {}, colour: 'red' }, '/colour'],
      ['POST', '/disconnect/nobody', { reason: 7 }, '/reason'],
      ['POST', '/users/nobody/revoke', { session: 7 }, '/session'],
      ['POST', '/users/nobody/permissions-changed', { roles: 7 }, '/roles'],
      ['DELETE', '/queue?states=none', undefined, '/states/0'],
      ['DELETE', '/queue?colour=red', undefined, '/colour'],
      ['POST', '/queue/retry-failed', { limit: 0 }, '/limit'],
      ['POST', '/queue/pause', { reason: 7 }, '/reason'],
      ['POST', '/queue/resume', { reason: 7 }, '/reason'],
      ['GET', '/queue/jobs?state=none', undefined, '/state'],
      ['GET', '/connections?limit=0', undefined, '/limit'],
      ['GET', '/audit?limit=many', undefined, '/limit'],
      [`GET`, `/user/${'u'.repeat(129)}`, undefined, '/user_id'],
    ];
    for (const [method, path, body, place] of wrong) {
      const answer = await t.rest(method, path, body ? { body } : {});
      expectProblem(answer, 400, 'VALIDATION_ERROR', `${method} ${path}`);
      expect(
        (answer.body.errors as Data[]).map((error) => error.path),
        `${method} ${path}`,
      ).to.include(place);
    }
  });

  covers(
    { errors: ['MESSAGE_ERROR', 'MESSAGE_TOO_LARGE'] },
    'a body that is no JSON, of another kind or too large is not worked on',
    async (t) => {
      const { max_body_bytes = 0 } = (await t.target.info()).limits;
      const post = (body: string, type = 'application/json'): Promise<Answer> =>
        t.rest('POST', '/events', { body, headers: { 'content-type': type } });
      expectProblem(await post('{"event_type":'), 400, 'MESSAGE_ERROR', 'half of it');
      expectProblem(await post('event_type=x', 'application/x-www-form-urlencoded'), 415, 'MESSAGE_ERROR', 'a form');
      expectProblem(await post('{}', 'text/plain'), 415, 'MESSAGE_ERROR', 'text');
      expectProblem(await post(`"${'x'.repeat(max_body_bytes)}"`), 413, 'MESSAGE_TOO_LARGE', 'too large');
    },
  );

  covers(
    {},
    'a method that a route does not have is answered with those that it has, a path that is none with 404',
    async (t) => {
      for (const [path, method, allow] of [
        ['/stats', 'DELETE', 'GET, HEAD'],
        ['/events', 'DELETE', 'GET, HEAD, POST'],
        ['/queue', 'POST', 'GET, HEAD, DELETE'],
        ['/info', 'POST', 'GET, HEAD'],
      ] as const) {
        const answer = await t.rest(method, path);
        expectProblem(answer, 405, 'METHOD_NOT_ALLOWED', `${method} ${path}`);
        expect(answer.headers.get('allow')?.split(/, */)).to.include.members(allow.split(', '));
      }
      expectProblem(await t.rest('GET', '/no/such/route'), 404, 'NOT_FOUND', 'below the base');
      expectProblem(await t.rest('GET', '//no/such/route', { token: null }), 404, 'NOT_FOUND', 'at the root');
      const id = await t.rest('GET', '/queue/jobs/events-0.none');
      expectProblem(id, 404, 'NOT_FOUND', 'a job');
    },
  );

  covers(
    { routes: ['GET /info'] },
    'what the server can do is told to everybody, pages of other origins too',
    async (t) => {
      const answer = await t.rest('GET', '/info', { token: null, headers: { origin: 'https://app.example' } });
      expect(answer.status).to.equal(200);
      expect(answer.body).to.include({ protocol: '1', subprotocol: 'unified.v1' });
      const preflight = await t.rest('OPTIONS', '/info', { token: null, headers: { origin: 'https://app.example' } });
      expect(preflight.status).to.equal(204);
      expect(preflight.headers.get('access-control-allow-headers')).to.match(/authorization/i);
      const { supported_messages, supported_event_types, event_types } = await t.target.info();
      expect(Object.keys(event_types)).to.have.members([...supported_event_types]);
      const replies = new Set(supported_messages.server_to_client.map(({ type }) => type));
      for (const { type, reply } of supported_messages.client_to_server) {
        if (reply !== null) expect(replies.has(reply), type).to.equal(true);
      }
    },
  );

  covers(
    { routes: ['GET /api/unified/openapi.json', 'GET /api/unified/asyncapi.json', 'GET /api/unified/ws'] },
    'the documents of both interfaces are open to everybody; each frame and each answer of this suite is held against them',
    async (t) => {
      const openApi = await t.rest('GET', '//api/unified/openapi.json', { token: null });
      expect([openApi.status, String(openApi.body.openapi)]).to.deep.equal([200, '3.1.0']);
      const asyncApi = await t.rest('GET', '//api/unified/asyncapi.json', { token: null });
      expect([asyncApi.status, String(asyncApi.body.asyncapi)]).to.deep.equal([200, '3.0.0']);
      const plain = await t.rest('GET', '', { token: null });
      expect(plain.status).to.equal(426);
      expect(plain.headers.get('upgrade')).to.match(/websocket/i);
    },
  );

  covers(
    { routes: ['GET /livez', 'GET /readyz', 'GET /metrics'], needs: ['probes'] },
    'probes answer without a token',
    async (t) => {
      const live = await t.rest('GET', '//livez', { token: null });
      expect([live.status, live.body.status]).to.deep.equal([200, 'ok']);
      const ready = await t.rest('GET', '//readyz', { token: null });
      expect([ready.status, ready.body.ready]).to.deep.equal([200, true]);
      // Open, behind a token of its own, or hidden in production.
      const metrics = await t.rest('GET', '//metrics', { token: null });
      expect(metrics.status).to.be.oneOf([200, 401, 404]);
      if (metrics.status === 200) expect(String(metrics.body)).to.match(/^# HELP uws_/m);
    },
  );

  covers(
    { routes: ['GET /stats', 'GET /health', 'GET /errors', 'GET /nodes'] },
    'the cluster tells how it is, and each of its nodes',
    async (t) => {
      const admin = await t.admin();
      const answers = new Map<string, Data>();
      for (const path of ['/stats', '/health', '/errors', '/nodes']) {
        const { status, body } = await t.rest('GET', path);
        expect(status, path).to.equal(200);
        expect(body.generated_at, path).to.match(TIME);
        answers.set(path, body);
      }
      const names = (path: string): unknown[] => (answers.get(path)?.nodes as Data[]).map(({ node_id }) => node_id);
      for (const path of ['/stats', '/health', '/nodes']) {
        expect(names(path), path).to.include(admin.establishedData.node_id);
        expect(names(path).length, path).to.be.at.least(t.target.urls.length);
      }
      for (const node of answers.get('/nodes')?.nodes as Data[]) expect(node).to.include({ state: 'ready' });
    },
  );

  covers(
    { routes: ['GET /user/:user_id', 'GET /connections'] },
    'a connection is found by its user, alike one by one and in the list',
    async (t) => {
      const user = await t.user();
      const id = encodeURIComponent(user.userId);
      const { connection_id, node_id, fence } = user.establishedData;
      const single = await t.rest('GET', `/user/${id}`);
      expect(single.status).to.equal(200);
      expect(single.body).to.include({ user_id: user.userId, connection_id, node_id, ban: null });
      const list = await t.rest('GET', `/connections?user=${id}&node_id=${node_id}&healthy=true`);
      const { connections } = list.body as { connections: Record<string, Data> };
      expect(connections[user.userId]).to.deep.include({ connection_id, node_id, fence });
      await user.close();
      await t.eventually(async () => (await t.rest('GET', `/user/${id}`)).status === 404, 'the connection is gone');
    },
  );

  covers(
    { routes: ['POST /disconnect/:user_id'], closes: [4002] },
    'a user is disconnected from any node',
    async (t) => {
      const user = await t.user();
      const { body } = await t.rest('POST', `/disconnect/${encodeURIComponent(user.userId)}`, {
        body: { reason: 'r' },
      });
      expect(body).to.include({
        user_id: user.userId,
        result: 'closed',
        node_id: user.establishedData.node_id,
        reason: 'r',
      });
      expect(await user.closed()).to.include({ code: 4002, reason: 'r' });
      const again = await t.rest('POST', `/disconnect/${encodeURIComponent(user.userId)}`);
      expect(again.body).to.include({ result: 'not_connected' });
    },
  );

  covers(
    { routes: ['POST /events', 'POST /broadcast', 'GET /events/:event_id'] },
    'events are published one by one and in arrays, once per key, and their outcome can be asked for',
    async (t) => {
      const user = await t.user();
      const key = t.name();
      const event = { event_type: 'custom_event', data: { name: key }, ordering_key: key };
      const headers = { 'idempotency-key': key };
      const one = await t.rest('POST', '/broadcast', { body: event, headers });
      expect(one.status).to.equal(202);
      expect(one.body).to.include({ duplicate: false });
      expect(one.body.accepted_at).to.match(TIME);
      const again = await t.rest('POST', '/events', { body: event, headers });
      expect(again.body).to.include({ event_id: one.body.event_id, duplicate: true, payload_differs: false });
      const changed = { ...event, data: { name: key, changed: true } };
      const other = await t.rest('POST', '/broadcast', { body: changed, headers });
      expect(other.body).to.include({ event_id: one.body.event_id, duplicate: true, payload_differs: true });
      const many = await t.rest('POST', '/events', { body: [event, event, event], headers });
      expect(many.status).to.equal(202);
      const ids = many.body.event_ids as string[];
      expect(ids).to.have.length(3);
      expect(ids.map((id) => id.replace(/^.{8}_/, ''))).to.deep.equal([`${key}_0`, `${key}_1`, `${key}_2`]);
      await user.event(ids[2]);
      const got = user.events.filter(({ data }) => data.name === key).map(({ id }) => id);
      expect(got).to.deep.equal([one.body.event_id, ...ids]);
      const outcome = await t.rest('GET', `/events/${ids[2]}`);
      expect(outcome.body).to.include({ event_id: ids[2], status: 'appended' });
      expect((await t.rest('GET', '/events/no-such-event')).body).to.include({ status: 'unknown' });
      const half = await t.rest('POST', '/events', { body: [event, { event_type: 'no_such_type', data: {} }] });
      expectProblem(half, 400, 'VALIDATION_ERROR', 'an array with one bad event is refused as a whole');
      expect((half.body.errors as Data[])[0]?.path).to.match(/^\/1/);
    },
  );

  covers({ routes: ['GET /audit'] }, 'what an admin does is on record, with target, reason and result', async (t) => {
    const admin = await t.admin();
    const target = t.name();
    const order = { user_id: target, reason: 'on record' };
    await admin.ask('disconnect_user', order, 'user_disconnected');
    const path = `/audit?target=${target}`;
    const read = async () => ((await t.rest('GET', path)).body.records as Data[])[0];
    await t.eventually(async () => typeof (await read())?.ended_at === 'string', 'the record, and its end');
    const record = (await read()) as Data;
    const expected = { actor: admin.userId, action: 'disconnect', target, reason: 'on record', via: 'websocket' };
    expect(record).to.include({ ...expected, result: 'not_connected', outcome: 'done' });
    expect(record.at).to.match(TIME);
    const page = await t.rest('GET', '/audit?limit=1');
    expect(page.body.records).to.have.length(1);
  });

  covers({ routes: ['POST /nodes/:node_id/drain'] }, 'an order to a node that there is not is refused', async (t) => {
    expectProblem(await t.rest('POST', '/nodes/no-such-node/drain', { body: {} }), 404, 'NOT_FOUND', 'drain');
  });

  covers({ routes: ['POST /catalogue/reload'] }, 'the catalogue is read anew on every node', async (t) => {
    const { status, body } = await t.rest('POST', '/catalogue/reload');
    expect(status).to.equal(200);
    expect(body.missing_nodes).to.deep.equal([]);
    expect((body.nodes as Data[]).length).to.be.at.least(t.target.urls.length);
  });
});
