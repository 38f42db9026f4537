import type { Cluster } from '../../../support/cluster.js';
import type { Mutation } from '../../../support/mutant.js';
import type { RedisServer } from '../../../support/redis.js';
import type { Case } from '../support/case.js';
import { given, Target } from '../support/target.js';
import { until } from '../support/wait.js';

export interface FaultOptions {
  /** Default 1. */
  readonly nodes?: number;
  /** Settings of the nodes. */
  readonly env?: Readonly<Record<string, string>>;
  /** Faults planted into a copy of the build. */
  readonly mutations?: readonly Mutation[];
}

/** Nodes and a Redis of this repository, for what only faults bring about. The tests still see nothing but the wire. */
export class FaultWorld {
  readonly redis: RedisServer;
  readonly cluster: Cluster;
  readonly target: Target;

  private constructor(redis: RedisServer, cluster: Cluster) {
    this.redis = redis;
    this.cluster = cluster;
    this.target = new Target(cluster.nodes.map((node) => node.http).join(','));
  }

  /** Ended with the test. Needs the extras `faults` and `secret`. */
  static async start(t: Case, { nodes = 1, env = {}, mutations }: FaultOptions = {}): Promise<FaultWorld> {
    // Loaded when they are needed: the rest of the suite stands without this repository.
    const { startRedis } = await import('../../../support/redis.js');
    const { Cluster: Nodes } = await import('../../../support/cluster.js');
    const { Mutant: Copy } = await import('../../../support/mutant.js');
    const mutant = mutations ? new Copy(mutations) : null;
    if (mutant) t.undo(async () => mutant.remove());
    const redis = await startRedis();
    t.undo(() => redis.stop());
    const tokens = {
      JWT_SECRET: given('secret') ?? '',
      JWT_ISSUER: given('issuer') ?? '',
      JWT_AUDIENCE: given('audience') ?? '',
    };
    const settings = { LOG_LEVEL: 'info', EVENT_QUEUE_PARTITIONS: '1', ...tokens, ...env };
    const main = mutant ? { main: mutant.main } : {};
    const cluster = await Nodes.start({ redisUrl: redis.url, nodes, env: settings, ...main });
    t.undo(() => cluster.kill());
    const world = new FaultWorld(redis, cluster);
    await world.acquainted(t);
    return world;
  }

  get url(): string {
    return this.target.next();
  }

  /** A node hears of the others within a second; until then it takes no orders for them. */
  private async acquainted(t: Case): Promise<void> {
    for (const url of this.target.urls) {
      await t.eventually(async () => {
        const { body } = await t.rest('GET', '/nodes', { target: new Target(url) });
        return (body.nodes as unknown[]).length === this.target.urls.length;
      }, 'the nodes know each other');
    }
  }

  /** Resolves when `/readyz` of a node answers 503: it has noticed. */
  async notReady(): Promise<void> {
    const [node] = this.cluster.nodes;
    await until(async () => (await node?.readiness()) === 503, 'the node is not ready', 15_000);
  }
}
