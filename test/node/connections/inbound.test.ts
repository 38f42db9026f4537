import { expect } from 'chai';
import { token } from '../../support/tokens.js';
import { until } from '../../support/wait.js';
import { type LocalNode, World } from '../support/world.js';

describe('what clients send', function () {
  this.timeout(10_000);
  const world = new World();
  let node: LocalNode;
  let generous: LocalNode;

  before(async () => {
    await world.start();
    node = await world.node({ MESSAGE_RATE: '20', MESSAGE_BURST: '10' });
    generous = await world.node({ MESSAGE_RATE: '100000', MESSAGE_BURST: '100000' });
  });
  afterEach(() => world.endClients());
  after(() => world.stop());

  it('five bad messages in a row must end the connection: the predecessor answered junk for ever (F7)', async () => {
    const client = await world.connect(generous);
    for (let n = 0; n < 4; n += 1) client.ws.send('junk');
    await client.request('ping');
    for (let n = 0; n < 4; n += 1) client.ws.send('junk');
    expect((await client.request('ping')).type, 'the count starts anew with a good message').to.equal('pong');
    for (let n = 0; n < 6; n += 1) client.ws.send('junk');
    expect(await client.closed()).to.include({ code: 4008 });
    const errors = client.frames.filter((frame) => frame.type === 'error');
    expect(errors.map((frame) => frame.data.error_code)).to.deep.equal(Array(13).fill('MESSAGE_ERROR'));
    expect(client.tap.afterClose).to.equal(0);
  });

  it('messages over the rate must be refused one by one, with the time to wait, and later ones taken', async () => {
    const client = await world.connect(node);
    for (let n = 0; n < 15; n += 1) client.send('ping', {}, `p${n}`);
    const limited = await client.waitFor('error');
    expect(limited.data).to.include({ error_code: 'RATE_LIMITED', recoverable: true });
    const { retry_after_ms } = limited.data.details as { retry_after_ms: number };
    expect(retry_after_ms).to.be.within(1, 1000);
    await until(() => client.frames.length >= 16, { what: '15 answers' });
    const counts = { pong: 0, error: 0 };
    for (const { type } of client.frames) if (type === 'pong' || type === 'error') counts[type] += 1;
    expect(counts.pong).to.be.within(10, 11);
    const later = (): boolean => {
      client.send('ping', {}, 'later');
      return client.frames.some((frame) => frame.reply_to === 'later');
    };
    await until(later, { what: 'tokens again', everyMs: 100 });
  });

  it('a client that ignores the rate must be ended, or refusing it costs as much as serving it', async () => {
    const client = await world.connect(node);
    for (let n = 0; n < 40; n += 1) client.send('ping');
    expect(await client.closed()).to.include({ code: 4204 });
  });

  it('replies in another order than the requests would apply a later change first', async () => {
    const client = await world.connect(node, 'ordered', ['admin']);
    const ids: string[] = [];
    const send = (type: string, data: unknown): void => {
      const id = `${ids.length}`;
      ids.push(id);
      client.send(type, data, id);
    };
    // Slow ones, which ask Redis, between quick ones, which do not.
    send('subscribe_events', { event_types: ['zone_imported'] });
    send('ping', {});
    send('unsubscribe_events', { event_types: ['zone_imported'] });
    send('get_subscription_info', {});
    send('publish_event', { event_type: 'custom_event', data: {} });
    send('ping', {});
    send('disconnect_user', { user_id: 'nobody' });
    send('ping', {});
    await client.waitFor('pong', (frame) => frame.reply_to === '7');
    const replies = client.frames.filter((frame) => frame.reply_to !== undefined);
    expect(replies.map((frame) => frame.reply_to)).to.deep.equal(ids);
    expect(replies.find((frame) => frame.reply_to === '3')?.data.subscriptions).to.not.include('zone_imported');
  });

  it('what is sent before connection_established must wait for it and keep its order', async () => {
    const raw = await world.raw(node, { token: token(world.user()) });
    raw.send('{"type":"subscribe_events","data":{"event_types":["zone_imported"]},"id":"1"}');
    raw.send('{"type":"ping","id":"2"}');
    await raw.waitFor('pong');
    expect(raw.messages.map((message) => message.reply_to ?? message.type)).to.deep.equal([
      'connection_established',
      '1',
      '2',
    ]);
  });

  it('more messages than may wait must stay in the socket of their sender and still be answered', async () => {
    const client = await world.connect(generous);
    const count = 2000;
    for (let n = 0; n < count; n += 1) {
      const types = [n % 2 === 0 ? 'zone_imported' : 'zone_exported'];
      client.send('subscribe_events', { event_types: types }, `s${n}`);
    }
    await client.waitFor('subscription_updated', (frame) => frame.reply_to === `s${count - 1}`, 8000);
    const order = client.frames.slice(1).map((frame) => frame.reply_to);
    expect(order).to.deep.equal(Array.from({ length: count }, (_, n) => `s${n}`));
  });
});
