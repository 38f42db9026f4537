import { Cluster } from 'ioredis';
import type { Core } from '../../core.js';
import { type Notice, PENALTY } from '../../observability/health/notices.js';
import type { RedisClient } from '../../redis/connect.js';
import type { ClusterTime } from './clusterTime.js';

/** Clocks are checked this often, ms. */
const LOOK_MS = 5000;
/** A difference from this size on is reported; from twice this size on it lowers the score of the cluster, ms. */
const TOLD_MS = 1000;

interface ClockWatchParts extends Pick<Core, 'nodeId' | 'report'> {
  readonly clusterTime: ClusterTime;
  /** Connections by purpose. A server that several of them share is asked once. */
  readonly clients: () => readonly { readonly name: string; readonly client: RedisClient }[];
}

/** How far the clocks of this machine and of each Redis are from cluster time. For reports only: no decision depends on it. */
export class ClockWatch {
  private readonly parts: ClockWatchParts;
  private readonly servers = new Map<string, number>();
  private timer: NodeJS.Timeout | null = null;
  private looking = false;

  constructor(parts: ClockWatchParts) {
    this.parts = parts;
  }

  start(): void {
    this.timer = setInterval(() => void this.look(), LOOK_MS);
    void this.look();
  }

  stop(): void {
    if (this.timer) clearInterval(this.timer);
    this.timer = null;
  }

  /** The clock of each Redis minus cluster time, ms, by name. */
  get redis(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.servers);
  }

  notices(): readonly Notice[] {
    const { clusterTime, nodeId } = this.parts;
    const own = this.notice(`the wall clock of ${nodeId}`, clusterTime.offsetMs ?? 0);
    const servers = [...this.servers].flatMap(([name, ms]) => this.notice(`the clock of Redis (${name})`, ms));
    return [...own, ...servers];
  }

  /** The same sentence for as long as nothing changes. */
  private notice(whose: string, ms: number): Notice[] {
    if (Math.abs(ms) <= TOLD_MS) return [];
    const far = `${wholeTime(Math.abs(ms))} ${ms < 0 ? 'behind' : 'ahead of'} cluster time`;
    return [
      { text: `clock: ${whose} is ${far}`, penalty: Math.abs(ms) > 2 * TOLD_MS ? PENALTY.degraded : PENALTY.mention },
    ];
  }

  private async look(): Promise<void> {
    if (this.looking || this.parts.clusterTime.offsetMs === null) return;
    this.looking = true;
    try {
      const found = new Map<string, number>();
      for (const { name, client } of this.parts.clients()) {
        if (client instanceof Cluster) {
          const masters = client.nodes('master');
          for (const master of masters) {
            const { host, port } = master.options;
            found.set(`${host}:${port}`, await this.offsetOf(() => master.time()));
          }
        } else if (client.status === 'ready') found.set(name, await this.offsetOf(() => client.time()));
      }
      this.servers.clear();
      for (const [name, ms] of found) this.servers.set(name, ms);
    } catch (error) {
      this.parts.report(error, 'registry.clocks');
    } finally {
      this.looking = false;
    }
  }

  private async offsetOf(ask: () => Promise<unknown>): Promise<number> {
    const { clusterTime } = this.parts;
    const sent = clusterTime.now();
    const [seconds, micros] = (await ask()) as [string | number, string | number];
    const received = clusterTime.now();
    return Math.round(Number(seconds) * 1000 + Number(micros) / 1000 - (sent + received) / 2);
  }
}

/** Rounded, so that several nodes, and repeated checks, report the same sentence. */
export function wholeTime(ms: number): string {
  return ms < 120_000 ? `${Math.round(ms / 1000)} s` : `${Math.round(ms / 60_000)} min`;
}
