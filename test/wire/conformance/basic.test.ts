import { expect } from 'chai';
import { covers } from './support/coverage.js';
import { TIME } from './support/frames.js';

describe('messages that everybody may send', () => {
  covers({ client: ['ping'], server: ['pong'] }, 'ping is answered by pong, with its own id', async (t) => {
    const client = await t.user();
    const { type, data, reply_to } = await client.request('ping');
    expect(type).to.equal('pong');
    expect(reply_to).to.equal('request-1');
    expect(data.connection_health).to.equal(true);
    expect(data.timestamp).to.match(TIME);
    expect(data.uptime).to.be.a('number').that.is.at.least(0);
  });

  covers({ client: ['ping'] }, 'a message without an id is answered without reply_to', async (t) => {
    const client = await t.user();
    client.send('ping');
    const frame = await client.waitFor('pong');
    expect(frame).to.not.have.property('reply_to');
  });

  covers({ client: ['pong'] }, 'pong has no answer, with its own connection id or without one', async (t) => {
    const client = await t.user();
    client.send('pong');
    client.send('pong', {});
    client.send('pong', { connection_id: client.establishedData.connection_id });
    await client.settled();
    expect(client.frames.filter(({ type }) => type === 'error')).to.deep.equal([]);
    expect(client.frames.filter(({ type }) => type === 'pong')).to.have.length(1);
  });

  covers({ client: ['pong'], errors: ['VALIDATION_ERROR'] }, "another connection's pong is an error", async (t) => {
    const client = await t.user();
    const { type, data } = await client.request('pong', { connection_id: 'somebody-else' });
    expect(type).to.be.oneOf(['error', 'validation_error']);
    expect(data).to.include({ error_code: 'VALIDATION_ERROR', recoverable: true });
    await client.settled();
  });

  covers(
    { client: ['get_connection_status'], server: ['connection_status'] },
    'the status of a connection agrees with its connection_established',
    async (t) => {
      const client = await t.user();
      const status = await client.ask('get_connection_status', undefined, 'connection_status');
      const { user_id, username, connection_id, node_id, fence, connected_at, subscriptions } = client.establishedData;
      expect(status).to.include({ user_id, username, connection_id, node_id, fence, connected_at });
      expect(status.subscriptions).to.have.members(subscriptions as string[]);
      expect(status).to.include({ status: 'connected', is_healthy: true });
      expect(status.health_reasons).to.deep.equal([]);
    },
  );

  covers(
    { client: ['health_check'], server: ['health_check_response'] },
    'a connection can ask how healthy it is',
    async (t) => {
      const client = await t.user();
      const health = await client.ask('health_check', undefined, 'health_check_response');
      expect(health).to.include({ connection_healthy: true, websocket_state: 'connected', consecutive_errors: 0 });
      expect(health.node).to.equal(client.establishedData.node_id);
      // The last message was an error: a reason, which the next good message takes away.
      await client.request('no_such_message');
      const after = await client.ask('health_check', undefined, 'health_check_response');
      expect(after).to.include({ connection_healthy: false, consecutive_errors: 1 });
      expect(after.health_reasons).to.deep.equal(['errors']);
      const again = await client.ask('health_check', undefined, 'health_check_response');
      expect(again).to.include({ connection_healthy: true, consecutive_errors: 0 });
    },
  );
});
