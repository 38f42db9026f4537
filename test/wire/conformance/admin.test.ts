import { expect } from 'chai';
import type { Data } from './support/client.js';
import { covers } from './support/coverage.js';
import { TIME } from './support/frames.js';
import { userToken } from './support/target.js';

describe('administration', () => {
  covers(
    { client: ['disconnect_user'], server: ['user_disconnected'], closes: [4002] },
    'a user is disconnected on whatever node, with the words of the admin, and may come back',
    async (t) => {
      const [user, admin] = [await t.user(), await t.admin()];
      const user_id = user.userId;
      const order = { user_id, reason: 'maintenance — Wartung' };
      const done = await admin.ask('disconnect_user', order, 'user_disconnected');
      expect(done).to.include({ ...order, result: 'closed', node_id: user.establishedData.node_id });
      expect(done.took_ms).to.be.a('number').that.is.at.least(0);
      expect(await user.closed()).to.include({ code: 4002, reason: order.reason });
      const again = await admin.ask('disconnect_user', { user_id }, 'user_disconnected');
      expect(again).to.include({ result: 'not_connected', node_id: null, reason: null });
      await t.user();
    },
  );

  covers(
    { client: ['disconnect_user'], errors: ['TOKEN_REVOKED'], closes: [4003], routes: ['DELETE /users/:user_id/ban'] },
    'a banned user is closed, refused on every node, and let in again when the ban is lifted',
    async (t) => {
      const [user, admin] = [await t.user(), await t.admin()];
      const user_id = user.userId;
      const path = `/users/${encodeURIComponent(user_id)}/ban`;
      t.undo(() => t.rest('DELETE', path));
      await admin.ask('disconnect_user', { user_id, ban_seconds: 300 }, 'user_disconnected');
      expect((await user.closed()).code).to.equal(4003);
      for (let n = 0; n < 3; n += 1) {
        const refused = await t.dial({ token: userToken() });
        expect((await refused.closed()).code).to.equal(4003);
        expect(refused.frames).to.have.length(1);
        expect(refused.frames[0]?.data).to.include({ error_code: 'TOKEN_REVOKED', recoverable: false });
      }
      const known = await t.rest('GET', `/user/${encodeURIComponent(user_id)}`);
      expect(known.status).to.equal(404);
      const lifted = await t.rest('DELETE', path);
      expect(lifted.body).to.deep.equal({ user_id, result: 'lifted' });
      expect((await t.rest('DELETE', path)).body).to.deep.equal({ user_id, result: 'not_banned' });
      await t.user();
    },
  );

  covers(
    { client: ['broadcast_admin_message'], server: ['admin_broadcast_sent'] },
    'an announcement reaches everybody who did not choose otherwise',
    async (t) => {
      const [user, admin] = [await t.user(), await t.admin()];
      const order = { message: `good day, ${t.name()}`, priority: 'high' };
      const sent = await admin.ask('broadcast_admin_message', order, 'admin_broadcast_sent');
      expect(sent).to.include(order);
      expect(sent.sent_at).to.match(TIME);
      const frame = await user.event(sent.event_id);
      expect(frame).to.include({ type: 'admin_broadcast', priority: 'high', scope: 'broadcast' });
      expect(frame.data.message).to.equal(order.message);
    },
  );

  covers(
    { client: ['get_connection_stats'], server: ['connection_stats'] },
    'the connections of the cluster are counted, and those of each node',
    async (t) => {
      await t.user();
      const admin = await t.admin();
      const stats = await admin.ask('get_connection_stats', undefined, 'connection_stats');
      expect(stats.missing_nodes).to.deep.equal([]);
      expect(stats.node_id).to.equal(admin.establishedData.node_id);
      const nodes = stats.nodes as Data[];
      expect(nodes.length).to.be.at.least(t.target.urls.length);
      expect(nodes.map((node) => node.node_id)).to.include(admin.establishedData.node_id);
      const sum = nodes.reduce((total, node) => total + Number(node.total_connections), 0);
      expect(stats.total_connections).to.equal(sum).and.to.be.at.least(2);
    },
  );

  covers(
    { client: ['get_router_stats'], server: ['router_stats'] },
    'what became of the events is counted, and of each node',
    async (t) => {
      const [user, admin] = [await t.user(), await t.admin()];
      await user.event(await t.publish({ event_type: 'custom_event', data: {} }));
      const stats = await admin.ask('get_router_stats', undefined, 'router_stats');
      expect(stats.missing_nodes).to.deep.equal([]);
      expect((stats.nodes as Data[]).length).to.be.at.least(t.target.urls.length);
      expect((stats.delivery as Data).deliveries)
        .to.be.a('number')
        .that.is.greaterThan(0);
    },
  );

  covers(
    { client: ['get_system_metrics'], server: ['system_metrics'] },
    'processor and memory of each node can be asked for; an event of the same name has a scope',
    async (t) => {
      const admin = await t.admin();
      await t.keepSubscriptions(admin, () => t.admin());
      await admin.ask('subscribe_events', { event_types: ['system_metrics'] }, 'subscription_updated');
      const metrics = await admin.ask('get_system_metrics', undefined, 'system_metrics');
      expect(metrics.missing_nodes).to.deep.equal([]);
      for (const node of metrics.nodes as Data[]) {
        expect((node.process as Data).memory_rss)
          .to.be.a('number')
          .that.is.greaterThan(1_000_000);
      }
      const data = { cpu: 3 };
      const frame = await admin.event(await t.publish({ event_type: 'system_metrics', data }));
      expect(frame).to.deep.include({ type: 'system_metrics', data, scope: 'broadcast' });
    },
  );

  covers(
    { client: ['get_all_connections'], server: ['all_connections'] },
    'who is connected is listed page by page, and through filters',
    async (t) => {
      const [user, admin] = [await t.user(), await t.admin()];
      const found: Record<string, Data> = {};
      let cursor: unknown;
      do {
        const request = cursor === undefined ? { limit: 1 } : { limit: 1, cursor };
        const page = await admin.ask('get_all_connections', request, 'all_connections');
        expect(page.missing_nodes).to.deep.equal([]);
        expect(Object.keys(page.connections as Data).length).to.be.at.most(1);
        Object.assign(found, page.connections);
        cursor = page.next_cursor;
      } while (cursor !== null);
      for (const client of [user, admin]) {
        const { user_id, connection_id, node_id, fence, is_admin, roles } = client.establishedData;
        expect(found[String(user_id)]).to.deep.include({ user_id, connection_id, node_id, fence, is_admin, roles });
      }
      const filters: [Data, boolean][] = [
        [{ user: user.userId }, true],
        [{ user: user.userId, role: 'user' }, true],
        [{ user: user.userId, role: 'admin' }, false],
        [{ user: user.userId, node_id: user.establishedData.node_id }, true],
        [{ user: user.userId, node_id: 'no-such-node' }, false],
        [{ user: user.userId, category: 'dns' }, true],
        [{ user: user.userId, category: 'audit' }, false],
        [{ user: user.userId, healthy: true }, true],
        [{ user: user.userId, healthy: false }, false],
      ];
      for (const [filter, there] of filters) {
        const page = await admin.ask('get_all_connections', { filter }, 'all_connections');
        const users = Object.keys(page.connections as Data);
        expect(users.includes(user.userId), JSON.stringify(filter)).to.equal(there);
      }
    },
  );
});
