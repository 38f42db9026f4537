import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '@unified-ws/server/util/clock';
import type { Redis } from 'ioredis';
import type { Cluster, NodeProcess } from '../../support/cluster.js';
import type { RedisServer } from '../../support/redis.js';
import type { RedisProxy } from '../../support/redisProxy.js';
import { until } from '../../support/wait.js';
import type { Random } from './random.js';

/** Time between the end of a fault of the nodes and the next one, milliseconds. */
const NODE_FAULT_EVERY = [1500, 3000] as const;
const LINK_FAULT_EVERY = [2000, 5000] as const;
const DOWN_MS = [300, 2000] as const;
/** Beyond the lease (5 s) too: then its connections are re-claimed on waking, and their clients stay. */
const PAUSE_MS = [300, 6500] as const;
/** Beyond the time-out of a command (1.5 s) too: what was given up runs all the same when it wakes. */
const FROZEN_MS = [200, 2500] as const;
const READY_WITHIN_MS = 30_000;
const DEAF_MS = [200, 4000] as const;

export interface SaboteurParts {
  readonly random: Random;
  readonly cluster: Cluster;
  /** The way of one node to Redis: what it hears can be held back. */
  readonly proxy: RedisProxy;
  readonly server: RedisServer;
  readonly redis: Redis;
}

/**
 * Kills, stops and pauses nodes, one after the other so that two of three always live, and at the same time cuts, or holds back,
 * their connections to Redis, or freezes it.
 */
export class Saboteur {
  /** What was done, and how often. */
  readonly actions = new Map<string, number>();
  /** The same with its time, for a failure's text. */
  readonly log: string[] = [];
  private readonly parts: SaboteurParts;
  private readonly stopping = new AbortController();
  private strikes = 0;
  private work: Promise<unknown> = Promise.resolve();

  constructor(parts: SaboteurParts) {
    this.parts = parts;
  }

  start(): void {
    this.work = Promise.all([
      this.repeat(this.parts.random.fork(1), NODE_FAULT_EVERY, (random) => this.strikeNode(random)),
      this.repeat(this.parts.random.fork(2), LINK_FAULT_EVERY, (random) => this.strikeLinks(random)),
    ]);
    // Told by `stop`.
    this.work.catch(() => undefined);
  }

  /** Resolves when every fault has ended. @throws what a fault threw. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.work;
  }

  private async repeat(
    random: Random,
    [least, most]: readonly [number, number],
    strike: (random: Random) => Promise<void>,
  ): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      await sleep(random.int(least, most), undefined, { signal }).catch((error: unknown) => {
        if (!signal.aborted) throw error;
      });
      if (!signal.aborted) await strike(random);
    }
  }

  private async strikeNode(random: Random): Promise<void> {
    const { cluster } = this.parts;
    const number = random.int(0, cluster.nodes.length - 1);
    const node = cluster.node(number);
    this.strikes += 1;
    const killed = this.strikes % 2 === 1 || random.chance(0.3);
    if (killed || random.chance(0.4)) {
      const down = random.int(...DOWN_MS);
      this.did(killed ? 'node killed' : 'node stopped', `${node.id} for ${down} ms`);
      if (killed) await node.kill9();
      else await node.stop();
      await sleep(down);
      await this.revive(node);
    } else {
      const pause = random.int(...PAUSE_MS);
      this.did('node paused', `${node.id} for ${pause} ms`);
      node.pause();
      await sleep(pause);
      node.resume();
    }
  }

  /** A node that loses Redis while it starts ends: as its supervisor would, start it again. */
  private async revive(node: NodeProcess): Promise<void> {
    for (;;) {
      await node.start();
      const ready = await until(async () => (await node.readiness()) === 200 || (node.isRunning ? null : 'ended'), {
        timeoutMs: READY_WITHIN_MS,
        everyMs: 20,
        what: () => `${node.id} is ready again; ${node.log.complaints.slice(-5).join('\n')}`,
      });
      if (ready !== 'ended') return;
      this.did('start cut short', node.id);
    }
  }

  private async strikeLinks(random: Random): Promise<void> {
    const { cluster, server, redis, proxy } = this.parts;
    const { id } = random.pick(cluster.nodes);
    switch (random.int(0, 4)) {
      case 0:
        this.did('all subscribers cut', '');
        await redis.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
        break;
      case 1:
        this.did('subscriber cut', `of ${id}`);
        await this.cut((name) => name === `${id}:subscriber`);
        break;
      case 2: {
        const deaf = random.int(...DEAF_MS);
        this.did('subscriber held', `for ${deaf} ms`);
        const subscribers = [...proxy.links].filter((link) => link.subscriber);
        for (const link of subscribers) link.hold('down');
        await sleep(deaf);
        for (const link of subscribers) link.release();
        break;
      }
      case 3: {
        const frozen = random.int(...FROZEN_MS);
        this.did('Redis frozen', `for ${frozen} ms`);
        server.pause();
        await sleep(frozen);
        server.resume();
        break;
      }
      default:
        this.did('all links cut', `of ${id}`);
        await this.cut((name) => name.startsWith(`${id}:`));
    }
  }

  private async cut(fits: (name: string) => boolean): Promise<void> {
    const { redis } = this.parts;
    const list = String(await redis.client('LIST'));
    for (const [, number = '', name = ''] of list.matchAll(/^id=(\d+) .*\bname=([^ ]*)/gm)) {
      if (fits(name)) await redis.call('CLIENT', 'KILL', 'ID', number);
    }
  }

  private did(what: string, details: string): void {
    this.actions.set(what, (this.actions.get(what) ?? 0) + 1);
    this.log.push(`${what} ${details} at ${systemClock.mono().toFixed(1)}`);
  }
}
