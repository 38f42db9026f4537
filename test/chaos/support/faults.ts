import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '@unified-ws/server/util/clock';
import type { Strictness } from './verdict.js';
import type { World } from './world.js';

export interface Fault {
  /** Settings of the nodes for these rounds. */
  readonly env: Readonly<Record<string, string>>;
  /** Bursts begin within this time, milliseconds. */
  readonly lastsMs: number;
  readonly strict: Strictness;
  /** Over a Redis Cluster. */
  readonly shards?: boolean;
  /** From dial to connection_established, milliseconds. */
  readonly longestWaitMs: number;
  /** Resolves when the cause is gone; the cluster may still be on its way back. */
  readonly strike: (world: World, wave: number) => Promise<void>;
}

/** The bursts that begin together with the fault begin up to this much earlier or later, milliseconds. */
export const LEAD_MS = 60;
/** Least that is allowed: pauses and frozen times outlast it without taking long. */
const LEASE_MS = 3000;
/** Longer than the lease, and than the time after which others take it for dead (LEASE_TTL_MS + 1 s). */
const PAUSE_MS = LEASE_MS + 2500;
const KILLED_FOR_MS = 1500;
const FROZEN_MS = LEASE_MS + 1500;
const FORGOTTEN_MS = 5000;
/** "A Redis Cluster shard that lost data: two deliveries end within 2 s of the shard answering again" (CONSISTENCY C12). */
const SHARD_FORGOTTEN_MS = 2000;
/** A replica that heard nothing for so long takes over, milliseconds. */
const LAG_MS = 400;

/** Who replaces a connection of a killed node waits until its lease is dead (issue "Foundation"; REPLACE_TIMEOUT_MS is 6 s). */
const WAIT_AFTER_KILL_MS = 8000;
/** With the short lease, and with a command that is not answered before it (REDIS_COMMAND_TIMEOUT_MS, the time of the fault). */
const WAIT_MS = 12_000;

const shortLease = { LEASE_TTL_MS: String(LEASE_MS) };
const strict = (toleranceMs: number): Strictness => ({ faultless: false, toleranceMs, settleWithinMs: 25_000 });

export const faults = {
  kill: {
    // The bound of 8 s holds for the default lease.
    env: {},
    lastsMs: 2 * KILLED_FOR_MS,
    strict: strict(0),
    longestWaitMs: WAIT_AFTER_KILL_MS,
    strike: async (world) => {
      const node = world.random.int(0, world.cluster.nodes.length - 1);
      await sleep(LEAD_MS);
      await world.cluster.node(node).kill9();
      world.note(`node ${node} killed`);
      world.ledger.killed(node);
      await sleep(KILLED_FOR_MS);
      await world.cluster.restart(node);
      world.note(`node ${node} ready`);
    },
  },
  pause: {
    env: shortLease,
    lastsMs: PAUSE_MS + 500,
    strict: strict(0),
    longestWaitMs: WAIT_MS,
    strike: async (world, wave) => {
      const number = world.random.int(0, world.cluster.nodes.length - 1);
      const node = world.cluster.node(number);
      await sleep(LEAD_MS);
      const from = systemClock.mono();
      node.pause();
      world.note(`node ${number} paused`);
      // Else the evicts wait in its socket, and it is told on waking: every other time it must find out by the fence alone (C4).
      if (wave % 2 === 0) await world.cutFromRedis(node.id);
      await sleep(PAUSE_MS);
      node.resume();
      world.note(`node ${number} resumed`);
      world.ledger.paused(number, from, systemClock.mono());
    },
  },
  restart: {
    env: shortLease,
    lastsMs: 1000,
    strict: strict(0),
    longestWaitMs: WAIT_MS,
    strike: async (world) => {
      await sleep(LEAD_MS);
      await world.redis.restart();
      world.note('Redis restarted');
    },
  },
  freeze: {
    env: shortLease,
    lastsMs: FROZEN_MS + 500,
    strict: strict(0),
    longestWaitMs: WAIT_MS,
    strike: async (world) => {
      await sleep(LEAD_MS);
      world.redis.pause();
      world.note('Redis frozen');
      await sleep(FROZEN_MS);
      world.redis.resume();
      world.note('Redis thawed');
    },
  },
  empty: {
    env: {},
    lastsMs: 1500,
    strict: strict(FORGOTTEN_MS),
    longestWaitMs: WAIT_MS,
    strike: async (world) => {
      await sleep(LEAD_MS);
      await world.emptyRedis();
    },
  },
  shard: {
    // The sweep finds by and by what the marks must find at once.
    env: { SWEEP_INTERVAL_MS: '600000' },
    shards: true,
    lastsMs: 2000,
    strict: strict(SHARD_FORGOTTEN_MS),
    longestWaitMs: WAIT_MS,
    strike: async (world, wave) => {
      const { shards } = world;
      const shard = world.random.int(0, shards.masters - 1);
      await sleep(LEAD_MS);
      if (wave % 2 === 0) {
        await shards.empty(shard);
        world.note(`shard ${shard} emptied`);
      } else {
        await shards.failOver(shard, world.random.int(0, LAG_MS));
        world.note(`shard ${shard} failed over`);
      }
    },
  },
} as const satisfies Record<string, Fault>;

export type FaultName = keyof typeof faults;
