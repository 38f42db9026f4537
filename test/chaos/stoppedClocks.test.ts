import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import type { Redis } from 'ioredis';
import { TestClient } from '../support/client.js';
import { NodeProcess } from '../support/cluster.js';
import { metricOf } from '../support/metrics.js';
import { Mutant, type Mutation } from '../support/mutant.js';
import { type RedisServer, startRedis } from '../support/redis.js';
import { token } from '../support/tokens.js';
import { until } from '../support/wait.js';
import { chaosConfig } from './support/config.js';
import { Publisher } from './support/publisher.js';
import { Random } from './support/random.js';

const PRELOAD = new URL('../support/stoppedClocks.js', import.meta.url).href;
/** Least that is allowed. A failure detector takes a lease for dead one second later. */
const LEASE_MS = 3000;
const STOP_MS = LEASE_MS + 3500;
const USERS = 5;
/** Rounds in `npm test`: users times waves. */
const ROUNDS = 10;
const config = chaosConfig();

/** No evict reaches the dead: as if it were lost. */
const UNWARNED: Mutation = { file: 'registry/store/lua/claim.lua', from: '\nevict(warned)\n', to: '\n' };
/** The time that messages carry is not looked at. */
const DEAF_TO_TIME: Mutation = {
  file: 'registry/recovery/recovery.js',
  from: 'this.parts.lease.isBehind(time)',
  to: 'false',
};

/** A user with a connection on the node that is stopped, and a newer one elsewhere. */
interface Pair {
  readonly older: TestClient;
  newer: TestClient | null;
}

/** What both were sent: appended after the newer was established, and written to the older all the same. */
function duplicatesOf({ older, newer }: Pair): string[] {
  const ids = new Set(newer?.events.map((frame) => frame.id));
  return older.events.flatMap(({ id }) => (id !== undefined && ids.has(id) ? [String(id)] : []));
}

const duplicatesFound = (node: NodeProcess): Promise<number> => metricOf(node, 'uws_duplicates_found_total');

if (config.plays('clocks-stopped')) {
  describe('a node whose clocks stood still', function () {
    this.timeout(60_000 + (config.rounds ?? ROUNDS) * 6000);
    let redis: RedisServer;
    let client: Redis;
    let nodes: NodeProcess[] = [];
    let publisher: Publisher;
    const mutants: Mutant[] = [];

    beforeEach(async () => {
      redis = await startRedis();
      client = redis.client();
    });

    afterEach(async () => {
      await publisher.stop();
      await Promise.all(nodes.map((node) => node.kill9()));
      await redis.stop();
      for (const mutant of mutants.splice(0)) mutant.remove();
    });

    function build(mutations: readonly Mutation[]): { main?: string } {
      if (mutations.length === 0) return {};
      const mutant = new Mutant(mutations);
      mutants.push(mutant);
      return { main: mutant.main };
    }

    /** The first node is the one that is stopped; the others take the newer connections. */
    async function start(stopped: readonly Mutation[] = [], others: readonly Mutation[] = []): Promise<void> {
      const env = { REDIS_URL: redis.url, LEASE_TTL_MS: String(LEASE_MS), REPLACE_TIMEOUT_MS: String(LEASE_MS + 1000) };
      const build1 = build(stopped);
      const build2 = build(others);
      nodes = ['n1', 'n2', 'n3'].map((id, index) => {
        return new NodeProcess({ id, env, preload: PRELOAD, ...(index === 0 ? build1 : build2) });
      });
      await Promise.all(nodes.map((node) => node.start()));
      await Promise.all(nodes.map((node) => node.ready()));
      publisher = new Publisher('publisher', nodes[2] as NodeProcess, 20);
      await publisher.start();
    }

    const node = (index: number): NodeProcess => nodes[index] as NodeProcess;

    async function connect(index: number, user: string): Promise<TestClient> {
      const connected = new TestClient(node(index).ws, { token: token(user) });
      await connected.established();
      // A queue whose worker changes may take as long as after a death (Q1).
      await until(() => connected.events.length > 0, { what: `${user} receives broadcasts`, timeoutMs: 15_000 });
      return connected;
    }

    /** The others take its lease for dead. */
    async function seenDead(): Promise<void> {
      const isDead = async () => (await metricOf(node(1), 'uws_leases{state="dead"}')) > 0;
      await until(isDead, { what: 'the lease of n1 is dead to n2', timeoutMs: 15_000, everyMs: 100 });
    }

    async function outlived(): Promise<Pair> {
      const older = await connect(0, 'user-1');
      node(0).pause();
      await seenDead();
      const newer = await connect(1, 'user-1');
      const at = newer.events.length;
      await until(() => newer.events.length > at + 20, { what: 'the newer one goes on' });
      node(0).resume();
      expect(await older.closed()).to.include({ code: 4001 });
      await node(0).ready();
      return { older, newer };
    }

    it('reads the evict before what was published after it, though nobody waited for a dead lease (C2)', async () => {
      await start([DEAF_TO_TIME]);
      const pair = await outlived();
      expect(duplicatesOf(pair)).to.deep.equal([]);
    });

    it('writes nothing that carries a later time than its own, though the evict was lost (C6)', async () => {
      await start([], [UNWARNED]);
      const pair = await outlived();
      expect(duplicatesOf(pair)).to.deep.equal([]);
      for (const one of nodes) expect(await duplicatesFound(one), one.id).to.equal(0);
    });

    it('counts what it wrote beside a newer connection: the control, with both rules taken out', async () => {
      await start([DEAF_TO_TIME], [UNWARNED]);
      const pair = await outlived();
      const twice = duplicatesOf(pair).length;
      expect(twice, 'what both were sent').to.be.above(0);
      // What was appended before the newer one was established counts too when it was written after that.
      expect(await duplicatesFound(node(0))).to.be.within(twice, pair.older.events.length);
    });

    it(`never writes what was appended after a newer connection was established, in ${config.rounds ?? ROUNDS} rounds`, async () => {
      const random = new Random(config.seed);
      console.log(`      seed ${config.seed}`);
      await start();
      const waves = Math.ceil((config.rounds ?? ROUNDS) / USERS);
      for (let wave = 0; wave < waves; wave += 1) {
        const users = Array.from({ length: USERS }, (_, index) => `user-${wave}-${index}`);
        const pairs: Pair[] = await Promise.all(
          users.map(async (user) => ({ older: await connect(0, user), newer: null })),
        );
        node(0).pause();
        // Every other time its links break meanwhile, and with them goes what was sent on them.
        if (wave % 2 === 1) await cut('n1');
        const dialled = pairs.map(async (pair, index) => {
          await sleep(random.int(0, STOP_MS));
          pair.newer = new TestClient(node(1 + (index % 2)).ws, { token: token(users[index] as string) });
        });
        await sleep(STOP_MS);
        node(0).resume();
        await Promise.all(dialled);
        for (const pair of pairs) {
          await pair.newer?.established();
          expect((await pair.older.closed()).code).to.equal(4001);
        }
        await node(0).ready();
        const seen = pairs.map(({ newer }) => newer?.events.length ?? 0);
        await until(() => pairs.every(({ newer }, index) => (newer?.events.length ?? 0) > (seen[index] ?? 0) + 5), {
          what: 'the newer ones go on',
        });
        for (const pair of pairs) expect(duplicatesOf(pair), `wave ${wave}`).to.deep.equal([]);
        await Promise.all(pairs.map(({ newer }) => newer?.close()));
      }
      for (const one of nodes) expect(await duplicatesFound(one), one.id).to.equal(0);
    });

    /** Ends the connections of a node to Redis, at Redis. */
    async function cut(id: string): Promise<void> {
      const list = String(await client.client('LIST'));
      for (const [, number, name] of list.matchAll(/^id=(\d+) .*\bname=([^ ]*):/gm)) {
        if (name === id) await client.client('KILL', 'ID', number ?? '');
      }
    }
  });
}
