import { expect } from 'chai';
import { covers } from '../support/coverage.js';
import { userToken } from '../support/target.js';
import { FaultWorld } from './world.js';

const NOBODY = { mode: 'disabled', percentage: 0, user_list: [], force_legacy: [], enforce: false };

/** On nodes of its own: a roll-out that was set once can't be unset, and clients of other tests would be told of it. */
describe('faults: a roll-out has to be taken back', () => {
  covers(
    {
      server: ['rollout_changed'],
      errors: ['CONFLICT', 'VALIDATION_ERROR'],
      routes: [
        'GET /rollout',
        'PUT /rollout',
        'POST /rollout/rollback',
        'POST /rollout/restore',
        'GET /rollout/me',
        'GET /rollout/users/:user_id',
        'GET /legacy/connections',
      ],
      needs: ['faults', 'secret'],
    },
    'in one call for all nodes, and whoever has moved is told, now or when he comes back',
    async (t) => {
      const { target } = await FaultWorld.start(t, { nodes: 2, env: { LEGACY_ENDPOINTS: 'true' } });
      const [first, second] = target.urls as [string, string];
      const order = (method: string, path: string, body?: unknown) => t.rest(method, path, { body, target });
      const mine = async (): Promise<unknown> =>
        (await t.rest('GET', '/rollout/me', { token: userToken(), target })).body;
      expect(await mine()).to.include({ endpoint: 'legacy', reason: 'disabled', enforced: false });
      expect((await order('GET', '/legacy/connections')).body).to.deep.include({ users: [], missing_nodes: [] });
      const client = await t.user({}, first);
      const user_id = String(client.hello.user_id);

      expect((await order('PUT', '/rollout', { ...NOBODY, percentage: 101 })).status).to.equal(400);
      const listed = await order('PUT', '/rollout', {
        ...NOBODY,
        mode: 'testing',
        user_list: [user_id],
        enforce: true,
      });
      expect(listed.status, JSON.stringify(listed.body)).to.equal(200);
      expect(listed.body).to.deep.include({ result: 'changed', version: 1, missing_nodes: [] });
      expect((await client.waitFor('rollout_changed')).data).to.deep.equal({
        endpoint: 'unified',
        reason: 'user_list',
        enforced: true,
      });
      for (let n = 0; n < 2; n += 1) expect(await mine()).to.include({ endpoint: 'unified', enforced: true });
      const stale = await order('PUT', '/rollout', { ...NOBODY, mode: 'full', version: 0 });
      expect([stale.status, stale.body.code]).to.deep.equal([409, 'CONFLICT']);

      const back = await order('POST', '/rollout/rollback', { reason: 'conformance' });
      expect(back.body).to.deep.include({ result: 'changed', version: 2, mode: 'disabled', enforce: false });
      const told = { endpoint: 'legacy', reason: 'disabled', enforced: false };
      expect((await client.waitFor('rollout_changed', ({ data }) => data.endpoint === 'legacy')).data).to.deep.equal(
        told,
      );
      for (let n = 0; n < 2; n += 1) expect(await mine()).to.include(told);
      const again = await t.user({}, second);
      expect((await again.waitFor('rollout_changed')).data).to.deep.equal(told);
      expect((await order('POST', '/rollout/rollback')).body).to.include({ result: 'unchanged', version: 2 });

      const restored = await order('POST', '/rollout/restore');
      expect(restored.body).to.include({ result: 'changed', version: 3, mode: 'testing', enforce: true });
      expect((await order('POST', '/rollout/restore')).status).to.equal(409);
      const judged = await order('GET', `/rollout/users/${encodeURIComponent(user_id)}`);
      expect(judged.body).to.include({ endpoint: 'unified', reason: 'user_list', in_user_list: true });
      expect((await order('GET', '/rollout')).body).to.deep.include({
        version: 3,
        user_list: [user_id],
        rolled_back: null,
      });
    },
  );
});
