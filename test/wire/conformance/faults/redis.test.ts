import { expect } from 'chai';
import { covers } from '../support/coverage.js';
import { adminToken, userToken } from '../support/target.js';
import { until } from '../support/wait.js';
import { FaultWorld } from './world.js';

/** Routes that say something of what is in Redis, or change it. */
const ROUTES: readonly [method: string, path: string][] = [
  ['GET', '/stats'],
  ['GET', '/queue'],
  ['GET', '/audit'],
  ['GET', '/user/somebody'],
  ['GET', '/users/somebody/mailbox'],
  ['GET', '/events/some-event'],
  ['POST', '/disconnect/somebody'],
  ['POST', '/queue/pause'],
];

describe('faults: Redis is away', () => {
  covers(
    { server: ['error'], errors: ['UNAVAILABLE'], needs: ['faults', 'secret'] },
    'connections stay, what needs Redis is refused for the time being, and works again afterwards',
    async (t) => {
      t.extend(60_000);
      const world = await FaultWorld.start(t);
      const client = await t.user({}, world.url);
      await world.redis.kill9();
      await world.notReady();
      const change = { event_types: ['zone_imported'] };
      const refused = await client.request('subscribe_events', change);
      expect(refused.type).to.equal('error');
      expect(refused.data).to.include({ error_code: 'UNAVAILABLE', recoverable: true });
      await client.settled();
      const late = await t.dial({ token: adminToken() }, world.url);
      const { refusal } = await late.closed();
      expect(refusal?.status).to.equal(503);
      expect(Number(refusal?.headers['retry-after'])).to.be.greaterThan(0);
      expect(JSON.parse(refusal?.body ?? '')).to.include({ code: 'UNAVAILABLE' });
      for (const [method, path] of ROUTES) {
        const answer = await t.rest(method, path, { target: world.target });
        expect(answer.status, `${method} ${path}`).to.equal(503);
        expect(answer.body, `${method} ${path}`).to.include({ code: 'UNAVAILABLE' });
        expect(Number(answer.headers.get('retry-after')), `${method} ${path}`).to.be.greaterThan(0);
      }
      await world.redis.restart();
      await world.cluster.ready();
      await client.ask('subscribe_events', change, 'subscription_updated');
      await t.admin({}, world.url);
    },
  );

  covers(
    { server: ['error'], errors: ['UNAVAILABLE'], closes: [4207], needs: ['faults', 'secret'] },
    'a connection that cannot be registered is sent away to come back, and not kept waiting',
    async (t) => {
      t.extend(30_000);
      const world = await FaultWorld.start(t, { env: { REDIS_COMMAND_TIMEOUT_MS: '500' } });
      world.redis.pause();
      t.undo(async () => world.redis.resume());
      const client = await t.dial({ token: userToken() }, world.url);
      expect((await client.closed()).code).to.equal(4207);
      expect(client.frames.map(({ data }) => data.error_code)).to.deep.equal(['UNAVAILABLE']);
    },
  );

  covers(
    { closes: [4205], needs: ['faults', 'secret'] },
    'who was about to be established when Redis lost it is sent away to come back, and not told that he was replaced',
    async (t) => {
      t.extend(30_000);
      const world = await FaultWorld.start(t, { nodes: 2 });
      const [near, far] = world.target.urls as [string, string];
      const [, node] = world.cluster.nodes;
      const replaced = await t.user({}, far);
      // It cannot confirm that its connection ended: the next one has to wait for it.
      node?.pause();
      const claiming = await t.dial({ token: userToken() }, near);
      const redis = world.redis.client();
      const key = `uws:{u:${encodeURIComponent(replaced.userId)}}:conn`;
      await t.eventually(async () => {
        return (await redis.hget(key, 'conn')) !== replaced.establishedData.connection_id;
      }, 'the claim has run');
      await redis.del(key);
      node?.resume();
      expect((await claiming.closed()).code).to.equal(4205);
      expect(claiming.frames.map(({ type, data }) => [type, data.error_code])).to.deep.equal([
        ['error', 'UNAVAILABLE'],
      ]);
      await t.user({}, near);
    },
  );

  covers(
    { server: ['gap'], needs: ['faults', 'secret'] },
    'a client is told when the log that it reads is not the same any more',
    async (t) => {
      t.extend(60_000);
      const world = await FaultWorld.start(t);
      const client = await t.user({}, world.url);
      const publish = (): Promise<string> => t.publish({ event_type: 'custom_event', data: {} }, world.target);
      const { position } = await client.event(await publish());
      // It keeps nothing on disk.
      await world.redis.kill9();
      await world.redis.restart();
      const { data } = await client.waitFor('gap', (frame) => frame.data.scope === 'broadcast', 30_000);
      expect(data).to.include({ scope: 'broadcast', from: position, reason: 'log_reset' });
      await world.cluster.ready();
      // It may say for a moment longer that the queue does not answer.
      const id = await until(() => publish().catch(() => null), 'events are taken again');
      const after = await client.event(id);
      expect(after.position).to.not.equal(position);
      const back = await t.user({ query: { resume: `${position}~` } }, world.url);
      expect(back.establishedData.resume).to.deep.include({ broadcast: 'none' });
    },
  );
});
