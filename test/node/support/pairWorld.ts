import type { TestClient } from '../../support/client.js';
import { logOf, storedEvent } from './events.js';
import { type LocalNode, World } from './world.js';

/** Two nodes over one Redis for the tests of a suite. Clients end with their test, all else with the suite. */
export class PairWorld extends World {
  private both: readonly [LocalNode, LocalNode] | null = null;

  /**
   * To be called in the `describe` whose tests it is for.
   *
   * @param env of both nodes, over the defaults of the tests.
   */
  static make(env: Readonly<Record<string, string>> = {}): PairWorld {
    const world = new PairWorld();
    before(() => world.startPair(env));
    afterEach(() => world.endClients());
    after(() => world.stop());
    return world;
  }

  /** NODE_ID `one`. */
  get one(): LocalNode {
    return this.pair[0];
  }

  /** NODE_ID `two`. */
  get two(): LocalNode {
    return this.pair[1];
  }

  /** What the client is really sent of one event of each type, up to an event that everybody has. */
  async received(client: TestClient, types: readonly string[]): Promise<string[]> {
    const before = client.events.length;
    const mark = storedEvent({}, { type: 'admin_broadcast' });
    await logOf(this.redis).append([...types.map((type) => storedEvent({}, { type })), mark]);
    await client.waitFor('admin_broadcast', (frame) => frame.id === mark.id);
    return client.events.slice(before, -1).map((frame) => frame.type);
  }

  private get pair(): readonly [LocalNode, LocalNode] {
    if (!this.both) throw new Error('the nodes have not started');
    return this.both;
  }

  private async startPair(env: Readonly<Record<string, string>>): Promise<void> {
    await this.start();
    this.both = await Promise.all([this.node({ NODE_ID: 'one', ...env }), this.node({ NODE_ID: 'two', ...env })]);
  }
}
