import { expect } from 'chai';
import { WebSocket } from 'ws';
import type { Case } from './support/case.js';
import type { Data } from './support/client.js';
import { covers } from './support/coverage.js';
import type { Frame } from './support/frames.js';
import { targetOf } from './support/target.js';
import { until } from './support/wait.js';

const FIELDS = ['mode', 'percentage', 'user_list', 'force_legacy', 'enforce'] as const;

/** The roll-out of the target, which is put back at the end. */
async function rollout(t: Case): Promise<{
  read: () => Promise<Data>;
  set: (changes: Data) => Promise<Data>;
  order: (name: 'rollback' | 'restore') => ReturnType<Case['rest']>;
}> {
  const target = targetOf('legacy');
  const read = async (): Promise<Data> => (await t.rest('GET', '/rollout', { target })).body;
  const before = await read();
  const body = Object.fromEntries(FIELDS.map((field) => [field, before[field]]));
  const set = async (changes: Data): Promise<Data> => {
    const { status, body: answer } = await t.rest('PUT', '/rollout', { target, body: { ...body, ...changes } });
    expect(status, JSON.stringify(answer)).to.equal(200);
    return answer;
  };
  t.undo(() => set({}));
  return {
    read,
    set,
    order: (name) => t.rest('POST', `/rollout/${name}`, { target, body: { reason: 'conformance' } }),
  };
}

describe('the roll-out', () => {
  covers(
    {
      server: ['rollout_changed'],
      routes: ['GET /rollout', 'PUT /rollout', 'GET /rollout/me', 'GET /rollout/users/:user_id'],
      needs: ['legacy'],
    },
    'whoever is assigned to another endpoint is told on the open connection, and every node gives the same answer',
    async (t) => {
      const target = targetOf('legacy');
      const { set, read } = await rollout(t);
      await set({ mode: 'testing', user_list: [], force_legacy: [], enforce: false });
      const user = await t.user({}, target.next());
      const user_id = user.userId;
      const steps: [Data, Data][] = [
        [
          { mode: 'testing', user_list: [user_id] },
          { endpoint: 'unified', reason: 'user_list', enforced: false },
        ],
        [
          { mode: 'full', enforce: true },
          { endpoint: 'unified', reason: 'full', enforced: true },
        ],
        [
          { mode: 'full', force_legacy: [user_id] },
          { endpoint: 'legacy', reason: 'force_legacy', enforced: false },
        ],
        [
          { mode: 'gradual', percentage: 100 },
          { endpoint: 'unified', reason: 'within_percentage', enforced: false },
        ],
      ];
      for (const [changes, decision] of steps) {
        const { version } = await set({ user_list: [], force_legacy: [], enforce: false, ...changes });
        expect((await read()).version).to.equal(version);
        for (let n = 0; n < target.urls.length; n += 1) {
          const me = await t.rest('GET', '/rollout/me', { target, token: t.userToken });
          expect(me.body, JSON.stringify(changes)).to.include(decision);
          const known = await t.rest('GET', `/rollout/users/${encodeURIComponent(user_id)}`, { target });
          expect(known.body, JSON.stringify(changes)).to.include({ ...decision, user_id });
        }
        const { data } = await user.waitFor('rollout_changed', (frame) => frame.data.reason === decision.reason);
        expect(data).to.deep.equal(decision);
      }
    },
  );

  covers(
    {
      errors: ['CONFLICT'],
      routes: ['POST /rollout/rollback', 'POST /rollout/restore', 'PUT /rollout'],
      needs: ['legacy'],
    },
    'a roll-back can be taken back, once, and a change that rests on an old state is refused',
    async (t) => {
      const target = targetOf('legacy');
      const { set, order } = await rollout(t);
      const { version } = await set({ mode: 'full', enforce: true });
      const back = await order('rollback');
      expect(back.body).to.include({ result: 'changed', mode: 'disabled', enforce: false });
      const stale = await t.rest('PUT', '/rollout', {
        target,
        body: { mode: 'full', percentage: 0, user_list: [], force_legacy: [], enforce: false, version },
      });
      expect(stale.status).to.equal(409);
      expect(stale.body).to.include({ code: 'CONFLICT' });
      const restored = await order('restore');
      expect(restored.body).to.include({ result: 'changed', mode: 'full', enforce: true });
      const again = await order('restore');
      expect([again.status, again.body.code]).to.deep.equal([409, 'CONFLICT']);
    },
  );

  covers(
    { legacy: ['deprecation'], routes: ['GET /legacy/connections'], needs: ['legacy'] },
    'a client of the endpoints before this one is served in their language, told where to go, and listed',
    async (t) => {
      const target = targetOf('legacy');
      const { set } = await rollout(t);
      await set({ mode: 'testing', user_list: [], force_legacy: [], enforce: false });
      const url = `${target.next().replace(/^http/, 'ws')}/ws/health?token=${encodeURIComponent(t.userToken)}`;
      const socket = new WebSocket(url);
      t.undo(async () => socket.terminate());
      const frames: Frame[] = [];
      socket.on('message', (text) => frames.push(JSON.parse(String(text)) as Frame));
      const frame = (type: string): Promise<Frame> => until(() => frames.find((one) => one.type === type), type);
      const { data } = await frame('deprecation');
      expect(frames[0]).to.deep.include({ type: 'connection_established' });
      expect(frames[0]?.data).to.include({ connection_type: 'health' });
      expect(data).to.include({ replacement: '/api/unified/ws', group: 'health', assigned: 'legacy', enforced: false });
      socket.send('{"type":"ping"}');
      await frame('pong');
      await t.publish({ event_type: 'health_update', data: { from: 'conformance' } }, target);
      // The old frames have no scope, no id and no position.
      const event = await frame('health_update');
      expect(Object.keys(event)).to.have.members(['type', 'data', 'timestamp']);
      const list = await t.rest('GET', '/legacy/connections', { target });
      expect((list.body.connections_by_group as Data).health)
        .to.be.a('number')
        .that.is.at.least(1);
    },
  );
});
