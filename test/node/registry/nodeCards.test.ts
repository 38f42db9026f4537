import { Keys } from '@unified-ws/server/redis/keys';
import { type NodeCard, NodeCards } from '@unified-ws/server/registry/nodes/nodeCards';
import { expect } from 'chai';
import type { Redis } from 'ioredis';
import { until } from '../../support/wait.js';
import { World } from '../support/world.js';

const keys = new Keys('uws');
const MARK = 'mark';

describe('the cards of the nodes', function () {
  this.timeout(15_000);
  const world = new World();
  let redis: Redis;

  before(async () => {
    await world.start();
    redis = world.redis.client();
  });
  afterEach(() => world.endNodes());
  after(() => world.stop());

  /** By node id. */
  async function cards(): Promise<Record<string, NodeCard>> {
    const { [MARK]: _, ...all } = await redis.hgetall(keys.nodeCards());
    return Object.fromEntries(
      Object.values(all)
        .map((text) => JSON.parse(text))
        .map((card) => [card.node, card]),
    );
  }

  it('each process must be told apart, and Redis that lost its data must have the cards again with the next beats', async () => {
    await world.node({ NODE_ID: 'same' });
    await world.node({ NODE_ID: 'same', LEASE_TTL_MS: '7000' });
    const reported = async (): Promise<string[]> => {
      const { [MARK]: _, ...all } = await redis.hgetall(keys.nodeCards());
      return Object.values(all).map((text) => String((JSON.parse(text) as NodeCard).process));
    };
    const before = await reported();
    expect(new Set(before)).to.have.length(2);
    await redis.flushall();
    await until(async () => (await reported()).length === 2, { what: 'both are there again' });
    expect(await reported(), 'the processes are the same').to.have.members(before);
    expect((await cards()).same?.lease_ttl_ms).to.be.oneOf([5000, 7000]);
  });

  it('a card must go with its node, and with a lease that a node removed which knows nothing of cards', async () => {
    const one = await world.node();
    await redis.hset(keys.nodeCards(), 'former.1', JSON.stringify({ node: 'former' }));
    const two = await world.node();
    expect(Object.keys(await cards()), 'no beat is there for the former one').to.have.members([
      one.node.id,
      two.node.id,
    ]);
    await two.node.stop();
    expect(Object.keys(await cards())).to.deep.equal([one.node.id]);
  });

  it('must be read again only when something changed', async () => {
    await world.node();
    const mark = async (): Promise<string | null> => redis.hget(keys.nodeCards(), MARK);
    const beat = async (): Promise<string> => Object.values(await redis.hgetall(keys.nodes())).join();
    // Its first ones change it: it joins, and is well.
    const settled = async (): Promise<boolean> => Object.values(await cards()).every((card) => card.joined && card.fit);
    await until(settled, { what: 'the card is as it stays' });
    const [first, beats] = [await mark(), await beat()];
    await until(async () => (await beat()) !== beats, { what: 'another beat' });
    expect(await mark()).to.equal(first);
    await world.node();
    expect(await mark()).not.to.equal(first);
  });

  it('what is no card, and fields of another type, must harm nobody', () => {
    const own: NodeCard = {
      node: 'n',
      process: 'p',
      version: '1',
      host: 'h',
      pid: 1,
      lease_ttl_ms: 5000,
      group: 'g',
      fit: true,
      joined: true,
      settings: {},
    };
    const all = new NodeCards(own);
    const odd = JSON.stringify({ node: 'x', lease_ttl_ms: 'long', pid: -1, more: true });
    all.take(['a.1', 'no JSON', 'b.1', 'null', 'c.1', odd, MARK, 'm1', 'd.1', all.ownText]);
    expect(all.mark).to.equal('m1');
    expect(['a.1', 'b.1', 'c.1', 'd.1'].map((lease) => all.of(lease))).to.deep.equal([
      undefined,
      undefined,
      { node: 'x', more: true },
      own,
    ]);
    all.take([]);
    expect(all.of('d.1'), 'an empty answer says that nothing changed').to.deep.equal(own);
    all.take([MARK, 'm2']);
    expect(all.of('d.1'), 'the lease may be checked by it yet').to.deep.equal(own);
    for (let n = 0; n < 2000; n += 1) all.take([`gone.${n}`, '{}', MARK, String(n)]);
    expect(all.of('d.1'), 'what is gone does not add up').to.equal(undefined);
    expect(all.of('gone.1999')).to.deep.equal({});
  });
});
