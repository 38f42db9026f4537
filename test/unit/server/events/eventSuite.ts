import { type RedisServer, type StartRedisOptions, startRedis } from '../../../support/redis.js';
import { type EventNode, type EventNodeOptions, startEventNode } from './support.js';

/** Nodes of the event path over one Redis, for the tests of a suite. The nodes end with their test. */
export class EventSuite {
  private redis: RedisServer | null = null;
  private readonly nodes: EventNode[] = [];

  /**
   * To be called in the `describe` whose tests it is for.
   *
   * @param redis `each`: every test has one of its own, and may do to it what it likes. `emptied`: one for all, emptied in between.
   */
  static make(redis: 'each' | 'emptied'): EventSuite {
    const suite = new EventSuite();
    if (redis === 'each') {
      beforeEach(() => suite.startRedis());
      afterEach(async () => {
        await suite.endNodes();
        await suite.server.stop();
      });
    } else {
      before(() => suite.startRedis());
      afterEach(async () => {
        await suite.endNodes();
        await suite.server.client().flushall();
      });
      after(() => suite.server.stop());
    }
    return suite;
  }

  get server(): RedisServer {
    if (!this.redis) throw new Error('Redis has not started');
    return this.redis;
  }

  async start(options: EventNodeOptions = {}): Promise<EventNode> {
    const node = await startEventNode(this.server.url, options);
    this.nodes.push(node);
    return node;
  }

  /** Another Redis in the place of the one that was. */
  async replaceRedis(options: StartRedisOptions): Promise<void> {
    await this.server.stop();
    await this.startRedis(options);
  }

  private async startRedis(options: StartRedisOptions = {}): Promise<void> {
    this.redis = await startRedis(options);
  }

  private async endNodes(): Promise<void> {
    await Promise.all(this.nodes.splice(0).map((node) => node.stop()));
  }
}
