import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import type { TestClient } from '../../support/client.js';
import { RawClient } from '../../support/rawClient.js';
import { adminToken, TEST_SECRET, token } from '../../support/tokens.js';
import { until } from '../../support/wait.js';
import { type BadInput, badInputs, type Expected, PAYLOAD_LIMIT } from '../support/badInput.js';
import { NodeMemory } from '../support/nodeMemory.js';
import { World } from '../support/world.js';

/** How long an unfinished request is left open. */
const SILENCE_MS = 300;
const AT_A_TIME = 16;

describe('bad input', function () {
  this.timeout(60_000);
  const world = new World();
  const inputs = badInputs(adminToken());
  let node: NodeMemory;
  let bystander: TestClient;

  before(async () => {
    await world.start();
    node = await NodeMemory.start({
      REDIS_URL: world.redis.url,
      JWT_SECRET: TEST_SECRET,
      EVENT_QUEUE_PARTITIONS: '1',
      MAX_PAYLOAD: String(PAYLOAD_LIMIT),
      HISTORY_SIZE: '100',
    });
    bystander = await world.connect(node, 'bystander');
  });
  after(async () => {
    await world.endClients();
    await node.stop();
    await world.stop();
  });

  /** Null when what came of it is what must; else what did. */
  async function outcome(input: BadInput, index: number): Promise<string | null> {
    const client = await opened(input, index);
    try {
      client.socket.write(input.bytes);
      return await found(client, input.expected);
    } catch (error) {
      return `${String(error)}; ${tale(client)}`;
    } finally {
      client.destroy();
    }
  }

  async function opened({ on }: BadInput, index: number): Promise<RawClient> {
    if (on === 'tcp') {
      const client = new RawClient(node.port);
      await once(client.socket, 'connect');
      return client;
    }
    if (on === 'unauthenticated') return RawClient.open(node.port);
    const client = await RawClient.open(node.port, { token: token(`bad-${index}`, { roles: ['admin'] }) });
    await client.waitFor('connection_established');
    return client;
  }

  async function found(client: RawClient, expected: Expected): Promise<string | null> {
    if ('status' in expected) {
      const status = await until(() => client.status ?? (client.ended && -1), { what: 'an answer' });
      const [from, to] = expected.status;
      return status >= from && status <= to ? null : tale(client);
    }
    if ('silence' in expected) {
      await sleep(SILENCE_MS);
      return client.status === null && !client.ended ? null : tale(client);
    }
    if ('close' in expected) return (await client.closed()) === expected.close ? null : tale(client);
    const first = await until(() => answers(client)[0], { what: 'an answer' });
    const right =
      'error' in expected
        ? ['error', 'validation_error'].includes(first.type) && first.data.error_code === expected.error
        : first.type === expected.reply;
    if (!right) return tale(client);
    client.send('{"type":"get_connection_status"}');
    await client.waitFor('connection_status');
    return client.closeCode === null ? null : tale(client);
  }

  /** Without connection_established, and without the events that others have published. */
  function answers(client: RawClient): RawClient['messages'] {
    return client.messages.filter(({ type, scope }) => type !== 'connection_established' && scope === undefined);
  }

  function tale(client: RawClient): string {
    const reported = { status: client.status, close: client.closeCode, ended: client.ended };
    return `${JSON.stringify(reported)} ${JSON.stringify(answers(client)).slice(0, 300)}`;
  }

  /** All of it once. Returns what went wrong. */
  async function round(): Promise<string[]> {
    const wrong: string[] = [];
    const waiting = [...inputs.entries()];
    const worker = async (): Promise<void> => {
      for (let next = waiting.shift(); next; next = waiting.shift()) {
        const [index, input] = next;
        const result = await outcome(input, index);
        if (result !== null) wrong.push(`${input.name}: expected ${JSON.stringify(input.expected)}, got ${result}`);
      }
    };
    await Promise.all(Array.from({ length: AT_A_TIME }, worker));
    return wrong;
  }

  it('must be answered by a coded error, a status or the documented close code, each of 300 kinds', async () => {
    expect(inputs.length).to.be.at.least(300);
    expect(await round()).to.deep.equal([]);
    expect(node.isRunning).to.equal(true);
    expect((await bystander.request('ping')).type).to.equal('pong');
    expect((await fetch(`${node.http}/readyz`)).status).to.equal(200);
    const admin = await world.admin(node);
    const { event_id } = await admin.ask(
      'publish_event',
      { event_type: 'custom_event', data: { after: true } },
      'event_accepted',
    );
    const event = await bystander.waitFor('custom_event', (frame) => frame.id === event_id);
    expect(event.data, 'nothing was polluted').to.deep.equal({ after: true });
    await admin.close();
  });

  it('must leave nothing behind: heap within 5 %, RSS within 10 % of the value after warm-up', async () => {
    // Code is compiled and caches fill for about four rounds (1 MB); from then on nothing more is kept, however many follow.
    for (let n = 0; n < 4; n += 1) await round();
    const before = await node.memory();
    for (let n = 0; n < 3; n += 1) expect(await round()).to.deep.equal([]);
    const after = await node.memory();
    const grown = {
      heap: after.heapUsed / before.heapUsed - 1,
      rss: after.rss / before.rss - 1,
      before,
      after,
    };
    expect(grown.heap, JSON.stringify(grown)).to.be.lessThan(0.05);
    expect(grown.rss, JSON.stringify(grown)).to.be.lessThan(0.1);
  });
});
