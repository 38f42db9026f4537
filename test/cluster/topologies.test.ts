import { expect } from 'chai';
import { TestClient } from '../support/client.js';
import { Cluster } from '../support/cluster.js';
import { adminToken, token } from '../support/tokens.js';
import { startRedisCluster, startSentinels, type Topology } from '../support/topologies.js';
import { until } from '../support/wait.js';

const clients: TestClient[] = [];

async function connect(cluster: Cluster, node: number, user: string): Promise<TestClient> {
  const client = new TestClient(cluster.node(node).ws, { token: token(user) });
  clients.push(client);
  await client.established();
  return client;
}

async function post(cluster: Cluster, node: number, path: string, body: unknown): Promise<Record<string, unknown>> {
  const response = await fetch(`${cluster.node(node).http}/api/unified/ws${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${adminToken()}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: response.status, ...((await response.json()) as object) };
}

/** Replace across nodes, broadcast and mailboxes across nodes, disconnect across nodes. */
async function works(cluster: Cluster, round: string): Promise<void> {
  const old = await connect(cluster, 0, `anna-${round}`);
  const anna = await connect(cluster, 1, `anna-${round}`);
  expect((await old.closed()).code).to.equal(4001);
  const bert = await connect(cluster, 0, `bert-${round}`);
  expect(await post(cluster, 0, '/broadcast', { event_type: 'zone_created', data: { round } })).to.include({
    status: 202,
  });
  for (const client of [anna, bert]) {
    await until(() => client.events.some((event) => event.data.round === round), {
      timeoutMs: 15_000,
      what: 'the event',
    });
  }
  const target_user_ids = ['anna', 'bert', 'offline'].map((name) => `${name}-${round}`);
  const targeted = { event_type: 'notification_sent', data: { round }, target_user_ids };
  expect(await post(cluster, 1, '/events', targeted)).to.include({ status: 202 });
  for (const client of [anna, bert]) {
    const { position } = await client.waitFor('notification_sent', undefined, 15_000);
    client.send('ack', { user: position });
  }
  const late = await connect(cluster, 1, `offline-${round}`);
  await late.waitFor('notification_sent');
  late.terminate();
  expect(await post(cluster, 0, `/disconnect/anna-${round}`, {})).to.include({ result: 'closed', node_id: 'n2' });
  expect((await anna.closed()).code).to.equal(4002);
}

describe('the same code', function () {
  this.timeout(90_000);
  let topology: Topology | null = null;
  let cluster: Cluster | null = null;

  afterEach(async () => {
    for (const client of clients.splice(0)) client.terminate();
    await cluster?.kill();
    await topology?.stop();
    cluster = null;
    topology = null;
  });

  it('runs on Redis Cluster: no script touches two slots, and pub/sub crosses shards', async () => {
    topology = await startRedisCluster();
    cluster = await Cluster.start({ redisUrl: topology.url, nodes: 2 });
    for (const round of ['1', '2', '3', '4', '5']) await works(cluster, round);
  });

  it('follows a fail-over of Redis Sentinel without a restart', async () => {
    const sentinels = await startSentinels();
    topology = sentinels;
    cluster = await Cluster.start({ redisUrl: sentinels.url, nodes: 2 });
    await works(cluster, 'before');
    const stays = await connect(cluster, 1, 'carla');
    await sentinels.failOver();
    await cluster.ready(40_000);
    await works(cluster, 'after');
    expect(stays.ending).to.equal(null);
    await until(() => stays.events.some((event) => event.data.round === 'after'), {
      what: 'an event after the fail-over',
    });
  });
});
