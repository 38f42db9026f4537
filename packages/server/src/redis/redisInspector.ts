import { type Notice, PENALTY } from '../observability/health/notices.js';
import type { Logger, Report } from '../observability/log/logger.js';
import type { RedisClient } from './connect.js';
import { type Findings, inspectRedis } from './inspectRedis.js';
import type { Requirements } from './requirements.js';

/** How often a Redis is inspected, ms: an operator who changes its settings should see the effect soon. */
const INTERVAL_MS = 30_000;

export interface InspectedRedis {
  /** The setting that names it. */
  readonly setting: string;
  readonly needs: Requirements;
  /** A connection that is not open yet and does not reconnect. */
  readonly open: () => RedisClient;
}

/**
 * Reports problems of a Redis that still works: at once in the log, and as notices. Nothing waits for the inspection; what it is not
 * permitted to read, it reports too.
 */
export class RedisInspector {
  private readonly targets: readonly InspectedRedis[];
  private readonly logger: Logger;
  private readonly report: Report;
  private readonly found = new Map<string, Findings>();
  private readonly open = new Set<RedisClient>();
  private timer: NodeJS.Timeout | null = null;
  private looking: Promise<void> | null = null;

  constructor(targets: readonly InspectedRedis[], logger: Logger, report: Report) {
    this.targets = targets;
    this.logger = logger;
    this.report = report;
  }

  start(): void {
    this.timer = setInterval(() => this.look(), INTERVAL_MS);
    this.look();
  }

  async stop(): Promise<void> {
    if (this.timer) clearInterval(this.timer);
    this.timer = null;
    for (const client of this.open) client.disconnect();
    await this.looking;
  }

  /** Inspects now, unless an inspection is under way. */
  look(): void {
    this.looking ??= Promise.all(this.targets.map((target) => this.inspect(target))).then(() => {
      this.looking = null;
    });
  }

  notices(): readonly Notice[] {
    return [...this.found].flatMap(([setting, { faults, unchecked }]) => [
      ...faults.map((text) => ({ text: faultText(setting, text), penalty: PENALTY.degraded })),
      ...unchecked.map((text) => ({ text: uncheckedText(setting, text), penalty: PENALTY.mention })),
    ]);
  }

  private async inspect({ setting, needs, open }: InspectedRedis): Promise<void> {
    const client = open();
    this.open.add(client);
    try {
      await client.connect();
      const findings = await inspectRedis(client, needs);
      const before = this.found.get(setting) ?? { faults: [], unchecked: [] };
      this.found.set(setting, findings);
      // Each sentence once: `/readyz` shows them as long as they hold.
      for (const text of findings.faults) {
        if (!before.faults.includes(text)) this.logger.warn(faultText(setting, text));
      }
      for (const text of findings.unchecked) {
        if (!before.unchecked.includes(text)) this.logger.info(uncheckedText(setting, text));
      }
    } catch (error) {
      // The previous findings are better than none; other parts report that Redis is away.
      this.report(error, 'redis.inspect');
    } finally {
      this.open.delete(client);
      client.disconnect();
    }
  }
}

const faultText = (setting: string, text: string): string => `redis: ${setting}: ${text}`;
const uncheckedText = (setting: string, text: string): string => `redis: ${setting}: could not be checked, ${text}`;
