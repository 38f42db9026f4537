import { expect } from 'chai';
import { covers } from '../support/coverage.js';
import { userToken } from '../support/target.js';
import { FaultWorld } from './world.js';

describe('faults: a node is taken out of service', () => {
  covers(
    {
      server: ['server_draining'],
      errors: ['UNAVAILABLE'],
      closes: [4200],
      routes: ['POST /nodes/:node_id/drain'],
      needs: ['faults', 'secret'],
    },
    'by order: its users are told when to come back, and are served by the next node',
    async (t) => {
      const world = await FaultWorld.start(t, { nodes: 2 });
      const [first, second] = world.target.urls as [string, string];
      const client = await t.user({}, first);
      const node = client.establishedData.node_id;
      const { status, body } = await t.rest('POST', `/nodes/${node}/drain`, { body: {}, target: world.target });
      expect(status).to.equal(200);
      expect(body).to.include({ node_id: node, result: 'draining', connections: 1 });
      const { data } = await client.waitFor('server_draining');
      const delay = data.reconnect_after_ms;
      expect(delay).to.be.a('number').that.is.at.least(0);
      expect(await client.closed()).to.include({ code: 4200, reason: `reconnect_after_ms=${delay}` });
      const refused = await t.dial({ token: userToken() }, first);
      const { refusal } = await refused.closed();
      expect(refusal?.status).to.equal(503);
      expect(JSON.parse(refusal?.body ?? '')).to.include({ code: 'UNAVAILABLE' });
      const again = await t.user({}, second);
      expect(again.establishedData.node_id).to.not.equal(node);
    },
  );

  covers(
    { server: ['server_draining'], closes: [4200], needs: ['faults', 'secret'] },
    'by a signal to its process: the same',
    async (t) => {
      const world = await FaultWorld.start(t);
      const client = await t.user({}, world.url);
      await world.cluster.stop();
      expect(client.frames.at(-1)?.type).to.equal('server_draining');
      expect((await client.closed()).code).to.equal(4200);
    },
  );
});
