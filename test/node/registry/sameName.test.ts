import { Keys } from '@unified-ws/server/redis/keys';
import { expect } from 'chai';
import { adminToken } from '../../support/tokens.js';
import { until } from '../../support/wait.js';
import { type LocalNode, World } from '../support/world.js';

const keys = new Keys('uws');

interface Answer {
  readonly status: number;
  readonly body: Body;
}

/** What several routes answer; each fills some of it. */
interface Body {
  readonly status?: string;
  readonly reasons: readonly string[];
  readonly notices: readonly string[];
  readonly missing_nodes: readonly string[];
  readonly nodes: readonly { readonly process_id: string; readonly notices: readonly string[] }[];
  readonly details?: Readonly<Record<string, unknown>>;
}

async function ask(node: LocalNode, path: string, method = 'GET'): Promise<Answer> {
  const response = await fetch(`${node.http}${path}`, {
    method,
    headers: { authorization: `Bearer ${adminToken()}` },
  });
  return { status: response.status, body: (await response.json()) as Body };
}

const REST = '/api/unified/ws';

describe('nodes that were given one name', function () {
  this.timeout(30_000);
  const world = new World();

  beforeEach(() => world.start());
  afterEach(() => world.stop());

  const three = (): Promise<LocalNode[]> =>
    Promise.all([1, 2, 3].map(() => world.node({ NODE_ID: 'same', COMMAND_TIMEOUT_MS: '500' })));

  /** Their process ids, once each knows of all. */
  async function known(nodes: readonly LocalNode[]): Promise<string[]> {
    const all = await until(
      async () => {
        const told = await Promise.all(nodes.map(async (node) => (await ask(node, '/readyz')).body.notices));
        return told.every(([notice = '']) => notice.split('~').length === nodes.length + 1) && told;
      },
      { what: 'each has noticed all' },
    );
    const [[notice = ''] = []] = all;
    expect(all, 'in the same words').to.deep.equal(nodes.map(() => [notice]));
    expect(notice).to.match(/^node_id: same is the name of several nodes \(same~.*\): give each its own NODE_ID$/);
    return /\((.*)\)/.exec(notice)?.[1]?.split(', ') ?? [];
  }

  // Seen red: nothing told of it, and the order drained all three.
  it('must be told apart everywhere, and an order be for one of them', async () => {
    const nodes = await three();
    const [first] = nodes as [LocalNode];
    const processes = await known(nodes);
    const health = await ask(first, `${REST}/health`);
    expect(health.body.status).to.equal('degraded');
    expect(health.body.reasons.join()).to.include('several nodes');
    const list = await ask(first, `${REST}/nodes`);
    expect(list.body.nodes.map((node) => node.process_id)).to.have.members(processes);
    for (const node of list.body.nodes) expect(node.notices.join()).to.include('several nodes');

    const ambiguous = await ask(first, `${REST}/nodes/same/drain`, 'POST');
    expect(ambiguous.status).to.equal(409);
    expect(ambiguous.body.details).to.deep.equal({ reason: 'ambiguous', processes: [...processes].sort() });
    expect(await Promise.all(nodes.map((node) => node.readiness()))).to.deep.equal([200, 200, 200]);

    const drained = await ask(first, `${REST}/nodes/${processes[1]}/drain`, 'POST');
    expect(drained.body).to.deep.include({ node_id: 'same', process_id: processes[1], result: 'draining' });
    const ready = await Promise.all(nodes.map((node) => node.readiness()));
    expect(ready.sort()).to.deep.equal([200, 200, 503]);
    expect((await ask(first, `${REST}/nodes/same~none/drain`, 'POST')).status).to.equal(404);
  });

  // Seen red: the name had answered, so nobody was missing.
  it('must miss the one that died, but not one that was started again under its name', async () => {
    const nodes = (await three()).slice(0, 2);
    const [first] = nodes as [LocalNode];
    const redis = world.redis.client();
    const lives = Object.values(await redis.hgetall(keys.nodes()));
    const last = Math.max(...lives.map((beat) => Number(beat.split('@')[2])));
    const missing = async (): Promise<readonly string[]> => (await ask(first, `${REST}/health`)).body.missing_nodes;
    expect(await missing()).to.deep.equal([]);
    // As one left it that lived beside them and was killed just now.
    await redis.hset(keys.nodes(), 'same.gone', `7@${last - 60_000}@${last}`);
    await until(async () => (await missing()).join() === 'same~gone', { what: 'it is missing' });
    const { body } = await ask(first, `${REST}/health`);
    expect(body.reasons.join()).to.include('same~gone: did not answer');
    await world.node({ NODE_ID: 'same', COMMAND_TIMEOUT_MS: '500' });
    await until(async () => (await missing()).length === 0, { what: 'its successor stands for it' });
  });

  it('must not be told of one that was killed and started again: its former life is no namesake', async () => {
    const redis = world.redis.client();
    const [seconds] = await redis.time();
    await redis.hset(
      keys.nodes(),
      'n1.former',
      `7@${Number(seconds) * 1000 - 60_000}@${Number(seconds) * 1000 - 1000}`,
    );
    const node = await world.node({ COMMAND_TIMEOUT_MS: '500' });
    expect((await ask(node, '/readyz')).body.notices).to.deep.equal([]);
    expect((await ask(node, `${REST}/health`)).body).to.deep.include({ status: 'healthy', missing_nodes: [] });
    const drained = await ask(node, `${REST}/nodes/n1/drain`, 'POST');
    expect(drained.body.details, 'it is the last one').to.deep.equal({ reason: 'last_node' });
  });
});
