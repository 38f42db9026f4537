import { REST_BASE } from '@unified-ws/protocol';
import { Installation } from '@unified-ws/server/redis/installation';
import { Keys } from '@unified-ws/server/redis/keys';
import { expect } from 'chai';
import type { Redis } from 'ioredis';
import type { TestClient } from '../../support/client.js';
import { token } from '../../support/tokens.js';
import { until } from '../../support/wait.js';
import { storedEvent } from '../support/events.js';
import { type LocalNode, World } from '../support/world.js';

const keys = new Keys('uws');
const ADMIN = { authorization: `Bearer ${token('root', { roles: ['admin'] })}`, 'content-type': 'application/json' };

describe('two installations', function () {
  this.timeout(20_000);
  const world = new World();
  let redis: Redis;

  before(async () => {
    await world.start();
    redis = world.redis.client();
  });
  afterEach(async () => {
    await world.endClients();
    await world.endNodes();
    await redis.flushall();
  });
  after(() => world.stop());

  const inDatabase = (number: number): Promise<LocalNode> =>
    world.node({ REDIS_URL: `${world.redis.url}/${number}`, REDIS_PREFIX: 'uws' });

  async function publish(node: LocalNode, n: number, more: object = {}): Promise<void> {
    const body = JSON.stringify({ event_type: 'custom_event', data: { n }, delivery: 'ephemeral', ...more });
    const response = await fetch(`${node.http}${REST_BASE}/events`, { method: 'POST', headers: ADMIN, body });
    expect(response.status).to.equal(202);
  }
  const numbers = (client: TestClient): unknown[] => client.events.map(({ data }) => data.n);

  async function foreign(node: LocalNode): Promise<number> {
    const text = await (await fetch(`${node.http}/metrics`)).text();
    return Number(/^uws_foreign_messages_total (\d+)$/m.exec(text)?.[1]);
  }

  // Seen red with the channels of database 0 everywhere: each user got the other installation's ephemeral events.
  it('in two databases of one Redis must not hear each other’s events, nor end each other’s connections', async () => {
    const [zero, one, twelve] = [await inDatabase(0), await inDatabase(1), await inDatabase(12)];
    const user = world.user();
    const clients = [
      await world.connect(zero, user),
      await world.connect(one, user),
      await world.connect(twelve, user),
    ];
    for (const [n, node] of [zero, one, twelve].entries()) {
      await publish(node, n);
      await publish(node, n + 10, { target_user_ids: [user] });
    }
    for (const [n, client] of clients.entries()) {
      await until(() => numbers(client).length === 2, { what: 'both events' });
      expect(numbers(client)).to.have.members([n, n + 10]);
      expect(client.isOpen).to.equal(true);
    }
    for (const node of [zero, one, twelve]) expect(await foreign(node)).to.equal(0);
  });

  it('in one channel must not be heard: what carries another id is dropped and counted, what carries none is taken', async () => {
    const node = await inDatabase(0);
    const client = await world.connect(node);
    const other = new Installation('x');
    other.agree('another-one');
    const message = (n: number): string => JSON.stringify({ ephemeral: [storedEvent({ n })] });
    await redis.publish(keys.eventsChannel(), other.sign(message(1)));
    // As nodes of the version before installations had ids.
    await redis.publish(keys.eventsChannel(), message(2));
    await publish(node, 3);
    await until(() => numbers(client).length === 2, { what: 'the events' });
    expect(numbers(client)).to.deep.equal([2, 3]);
    const [lease] = await redis.hkeys(keys.nodes());
    const [entry] = await redis.keys('uws:{u:*}:conn');
    const conn = await redis.hget(entry ?? '', 'conn');
    const evict = { t: 'evict', conn, fence: '9', by: 'b', to: 'nobody', code: 4001 };
    await redis.publish(keys.nodeChannel(lease ?? ''), other.sign(JSON.stringify(evict)));
    await until(async () => (await foreign(node)) === 2, { what: 'both are counted' });
    expect(client.isOpen).to.equal(true);
  });

  it('nodes of one must agree on its id, also after Redis lost its data, and go on hearing each other', async () => {
    const [one, two] = [await inDatabase(3), await inDatabase(3)];
    const store = world.redis.client({ db: 3 });
    const stored = (): Promise<string | null> => store.get(keys.installation());
    const before = await stored();
    expect(before).to.match(/^[\w-]{12}$/);
    await redis.flushall();
    await until(async () => (await stored()) === before, { what: 'the same id again' });
    // Somebody else was quicker.
    await store.multi().flushdb().set(keys.installation(), 'quicker').exec();
    const client = await world.connect(two);
    let n = 0;
    await until(
      async () => {
        n += 1;
        await publish(one, n);
        return numbers(client).includes(n - 1);
      },
      { what: 'an event of the other node' },
    );
    expect(await stored()).to.equal('quicker');
    const heard = redis.duplicate();
    let text = '';
    heard.on('message', (_channel, message) => {
      text = message;
    });
    await heard.subscribe(new Keys('uws', 3).eventsChannel());
    await until(
      async () => {
        await publish(one, 1000);
        return text.endsWith(',"installation":"quicker"}');
      },
      { what: 'a message that carries the new id' },
    );
    heard.disconnect();
  });
});

describe('the id of an installation', () => {
  it('must be read at the end of a message alone, whatever an event holds', () => {
    const own = new Installation('candidate');
    expect(own.admits('{"a":1,"installation":"other"}'), 'not known yet').to.equal(true);
    expect(own.sign('{"a":1}'), 'not known yet').to.equal('{"a":1}');
    own.agree('own');
    expect(own.sign('{"a":1}')).to.equal('{"a":1,"installation":"own"}');
    for (const mine of ['{"a":1}', '{"a":{"b":1,"installation":"other"}}', '{"a":[{"b":1,"installation":"other"}]}']) {
      expect(own.admits(mine), mine).to.equal(true);
      expect(own.admits(own.sign(mine)), mine).to.equal(true);
    }
    const other = new Installation('x');
    other.agree('other');
    expect(own.admits(other.sign('{"a":1}'))).to.equal(false);
    expect(own.foreign).to.equal(1);
  });

  it('that it had before must be taken still, and told', () => {
    const changes: string[][] = [];
    const own = new Installation('a', (...change) => changes.push(change));
    own.agree('a');
    const late = own.sign('{"n":1}');
    own.agree('b');
    expect(own.admits(late)).to.equal(true);
    expect(changes).to.deep.equal([['b', 'a']]);
  });
});
