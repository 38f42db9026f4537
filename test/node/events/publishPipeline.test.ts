import { expect } from 'chai';
import { until } from '../../support/wait.js';
import { World } from '../support/world.js';

const EVENTS = 400;

describe('publish_event, many at a time over one connection', function () {
  this.timeout(20_000);
  const world = new World();

  before(() => world.start());
  after(() => world.stop());

  // Seen red without the turns of `publish`: events with ids, for which Redis is asked first, were overtaken by those without.
  it('must keep their order in the queue and in the replies, whatever each has to wait for', async () => {
    const node = await world.node({ MESSAGE_RATE: '1000', MESSAGE_BURST: '1000' });
    const publisher = await world.connect(node, world.user(), ['service']);
    const subscriber = await world.connect(node);
    for (let n = 0; n < EVENTS; n += 1) {
      const id = n % 3 === 0 ? { id: `own-${n}` } : {};
      const bad = n === 100 ? { oops: true } : {};
      const data = { event_type: 'zone_updated', data: { n }, ordering_key: 'one', ...id, ...bad };
      publisher.send('publish_event', data, `m${n}`);
    }
    publisher.send('ping', {}, 'last');
    await publisher.waitFor('pong');
    await until(() => subscriber.events.length >= EVENTS - 1, { what: 'all arrive' });
    const expected = Array.from({ length: EVENTS }, (_, n) => n);
    expect(subscriber.events.map(({ data }) => data.n)).to.deep.equal(expected.filter((n) => n !== 100));
    const replies = publisher.frames.flatMap(({ reply_to }) => reply_to ?? []);
    expect(replies).to.deep.equal([...expected.map((n) => `m${n}`), 'last']);
    const kinds = new Map(publisher.frames.map(({ reply_to, type }) => [reply_to, type]));
    expect(kinds.get('m99')).to.equal('event_accepted');
    expect(kinds.get('m100')).to.equal('validation_error');
  });
});
