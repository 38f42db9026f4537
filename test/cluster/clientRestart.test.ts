import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { publish, type SdkClient, SdkClients } from '../node/support/sdkClients.js';
import { Cluster, type NodeProcess } from '../support/cluster.js';
import { type RedisServer, startRedis } from '../support/redis.js';
import { until } from '../support/wait.js';

const USERS = 20;
/** A third of the connections is cut this often. */
const CUT_EVERY_MS = 1500;
/** Between two events. */
const PAUSE_MS = 50;

describe('clients of the SDK over three nodes', function () {
  this.timeout(120_000);
  const clients = new SdkClients();
  let redis: RedisServer;
  let cluster: Cluster;
  let up: NodeProcess[];

  before(async () => {
    redis = await startRedis();
    cluster = await Cluster.start({ redisUrl: redis.url });
    up = [...cluster.nodes];
  });
  after(async () => {
    clients.close();
    await cluster.stop();
    await redis.stop();
  });

  const anyNode = (): NodeProcess => up[Math.floor(Math.random() * up.length)] as NodeProcess;
  const balancer = {
    get ws() {
      return anyNode().ws;
    },
  };

  async function publishSurely(type: string, n: number, more: object): Promise<void> {
    for (;;) {
      try {
        await publish(anyNode(), type, { n }, { id: `${type}-${n}`, ordering_key: type, ...more });
        return;
      } catch {
        // A node that stops answers nothing: the event has an id, so another node may have it again.
        await sleep(PAUSE_MS);
      }
    }
  }

  // Seen red: with attempts that do not resume.
  it('must hand over each event once and in order while connections are cut and every node is restarted', async () => {
    const users = Array.from({ length: USERS }, (_, n) => `restart-${n}`);
    const got = users.map(() => ({ broadcast: [] as unknown[], user: [] as unknown[] }));
    const all: SdkClient[] = users.map((user, index) => {
      const sdk = clients.make(balancer, user);
      sdk.client.on(['custom_event', 'notification_sent'], ({ data, scope }) => got[index]?.[scope].push(data.n));
      return sdk;
    });
    await Promise.all(all.map(({ client }) => client.ready()));
    let isRestarting = true;
    const restarting = (async () => {
      for (const [index, node] of cluster.nodes.entries()) {
        up = cluster.nodes.filter((other) => other !== node);
        await node.stop();
        await cluster.restart(index);
        up = [...cluster.nodes];
      }
      isRestarting = false;
    })();
    const cutting = (async () => {
      while (isRestarting) {
        await sleep(CUT_EVERY_MS);
        for (const { sockets } of all) if (Math.random() < 1 / 3) sockets.at(-1)?.terminate();
      }
    })();
    let n = 0;
    while (isRestarting || n < 60) {
      n += 1;
      await publishSurely('custom_event', n, {});
      await publishSurely('notification_sent', n, { target_user_ids: users });
      await sleep(PAUSE_MS);
    }
    await Promise.all([restarting, cutting]);
    const isComplete = (): boolean => got.every(({ broadcast, user }) => broadcast.length >= n && user.length >= n);
    await until(isComplete, {
      what: () => JSON.stringify(got.map(({ broadcast, user }) => [broadcast.length, user.length, n])),
      timeoutMs: 60_000,
    });
    const expected = Array.from({ length: n }, (_, index) => index + 1);
    for (const { broadcast, user } of got) {
      expect(broadcast).to.deep.equal(expected);
      expect(user).to.deep.equal(expected);
    }
    for (const { client, errors } of all) {
      expect(client.report().counts.gaps).to.equal(undefined);
      expect(errors).to.deep.equal([]);
    }
    const connections = all.map(({ client }) => client.report().counts.connections ?? 0);
    expect(Math.min(...connections)).to.be.above(1);
  });
});
