import { expect } from 'chai';
import { RedisProxy } from '../../support/redisProxy.js';
import { adminToken } from '../../support/tokens.js';
import { call } from '../../unit/server/http/support.js';
import { World } from '../support/world.js';

describe('messages of a connection that has ended', function () {
  this.timeout(20_000);
  const world = new World();
  let proxy: RedisProxy;

  before(async () => {
    await world.start();
    proxy = await RedisProxy.start(world.redis.port);
  });
  after(async () => {
    await world.stop();
    await proxy.stop();
  });

  // Seen red: without the look at the connection in Dispatcher.handle the queue was paused; without that of the turn the second event came.
  it('whoever is banned must not have one more order carried out, nor an event queued, that waited behind others', async () => {
    const slow = await world.node({ NODE_ID: 'slow', REDIS_URL: proxy.url });
    const other = await world.node({ NODE_ID: 'other' });
    const subscriber = await world.connect(other);
    const banned = await world.connect(slow, 'banned', ['admin']);
    for (const link of proxy.commands) link.hold('down');
    // Events with ids wait for Redis, and for each other.
    for (const id of ['first', 'second']) {
      banned.send('publish_event', { event_type: 'zone_updated', data: { id }, id });
    }
    banned.send('pause_event_queue', {});
    banned.send('disconnect_user', { user_id: subscriber.establishedData?.user_id });
    // Behind these in the socket: when it is answered to, they are with the node.
    const ponged = new Promise((resolve) => banned.ws.once('pong', resolve));
    banned.ws.ping();
    await ponged;
    const ban = await call(other, 'disconnect/banned', { json: { ban_seconds: 60 }, token: adminToken() });
    expect(ban.status).to.equal(200);
    expect((await banned.closed()).code).to.equal(4003);
    for (const link of proxy.commands) link.release();
    const mark = { event_type: 'zone_updated', data: { id: 'mark' } };
    expect((await call(slow, 'events', { json: mark, token: adminToken() })).status).to.equal(202);
    await subscriber.waitFor('zone_updated', ({ data }) => data.id === 'mark');
    expect(subscriber.events.map(({ data }) => data.id)).to.deep.equal(['mark']);
    expect((await call(other, 'queue', { token: adminToken() })).body.paused).to.equal(false);
    expect(subscriber.isOpen).to.equal(true);
  });
});
