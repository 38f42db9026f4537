import type { AddressInfo } from 'node:net';
import { WATCHDOG_INTERVAL_MS } from './bus/watchdog.js';
import { compose } from './compose/compose.js';
import type { NodeOptions } from './compose/composeCore.js';
import type { Extension } from './compose/composeExtensions.js';
import { legacyExtension } from './legacy/legacyExtension.js';
import type { Logger } from './observability/log/logger.js';
import type { RedisClient } from './redis/connect.js';
import { requireVersion } from './redis/inspectRedis.js';
import { persist, Unmendable, unlessAborted } from './redis/persist.js';
import { refuseOldNodes } from './registry/nodes/refuseOldNodes.js';
import { QUEUE_AGREEMENT } from './settings/agreement.js';
import { openDoors, type Settings } from './settings/settings.js';
import { withTimeout } from './util/withTimeout.js';

export type { NodeOptions } from './compose/composeCore.js';

/** Clients of a draining node reconnect after a random delay of at most this, milliseconds. */
const RECONNECT_SPREAD_MS = 1000;
/**
 * The steps after the drain share this time, milliseconds, and none may take more than half of it. With the default DRAIN_MS a node
 * ends within 10 s of SIGTERM, whatever Redis does.
 */
const STOP_MS = 4000;
const STOP_STEP_MS = STOP_MS / 2;
const MIN_STEP_MS = 50;
/** Connections that may wait to be accepted: all clients of a node may return at once. The kernel caps it (somaxconn). */
const BACKLOG = 4096;
/** How often the queues' settings in Redis are checked, in watchdog intervals. */
const RESTORE_TICKS = 10;

/** Longer than declaring a node with the same LEASE_TTL_MS dead takes, ms. */
const AGREEMENT_PATIENCE_MS = 3000;

/** The extensions, a line each. No other part imports them. */
export const EXTENSIONS: readonly Extension[] = [legacyExtension()];

/** Makes a node of the cluster. Several can live in one process, because nothing is global. */
export function createNode(settings: Settings, options: NodeOptions = {}): Node {
  return new Node(settings, options);
}

/** Made by `createNode`. */
export class Node {
  readonly id: string;
  readonly logger: Logger;
  private readonly settings: Settings;
  private readonly parts: ReturnType<typeof compose>;
  private tickTimer: NodeJS.Timeout | null = null;
  /** Aborted by `stop`: a start in progress goes no further. */
  private readonly ending = new AbortController();
  private draining = false;
  /** The notices that are already logged and still apply. */
  private noticed: ReadonlySet<string> = new Set();
  private drained: Promise<void> = Promise.resolve();
  private stopBy = 0;
  private stopping: Promise<void> | null = null;

  constructor(settings: Settings, options: NodeOptions) {
    this.settings = settings;
    this.id = settings.nodeId;
    this.parts = compose(
      settings,
      { extensions: EXTENSIONS, ...options },
      { isDraining: () => this.draining, drain: () => this.drain() },
    );
    this.logger = this.parts.logger;
  }

  /** The port that the node listens on. */
  get port(): number {
    const address = this.parts.server.address() as AddressInfo | null;
    return address?.port ?? 0;
  }

  /**
   * Listens, then joins the cluster, however long Redis takes and however often its connection breaks meanwhile. Resolves when the node
   * serves, or when `stop` was called.
   *
   * @throws Error for faults that a retry cannot fix: a port in use, a Redis that is too old, another number of partitions (Q7).
   */
  async start(): Promise<void> {
    const { logger } = this;
    const settings = this.settings;
    const { server, bus, lease, releases, reports } = this.parts;
    reports.start();
    this.parts.queueAdmin.start();
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ port: settings.port, host: settings.host, backlog: BACKLOG }, () => {
        server.off('error', reject);
        // A connection that could not be accepted, for example without free descriptors. Without a listener it would end the process.
        server.on('error', (error) => this.parts.report(error, 'http.server'));
        resolve();
      });
    });
    logger.info({ port: this.port, host: settings.host }, 'listening');
    for (const door of openDoors(settings)) logger.warn({ host: settings.host }, `open: ${door}`);
    bus.useLease(lease.id);
    releases.useLease(lease.id);
    const { signal } = this.ending;
    try {
      await this.join(signal);
    } catch (error) {
      if (error !== signal.reason) throw error;
    }
  }

  private async join(signal: AbortSignal): Promise<void> {
    const { logger, parts } = this;
    const { redis, subscriber, bus, lease, recovery, queues, follower, report } = parts;
    await unlessAborted(Promise.all([ready(redis), ready(subscriber)]), signal);
    parts.inspector.start();
    const version = await persist(() => requireVersion(redis, 'REDIS_URL'), { where: 'start.redis', report, signal });
    await persist(() => refuseOldNodes(redis, parts.keys, signal), { where: 'start.nodes', report, signal });
    await persist(() => queues.start(), { where: 'start.queues', report, signal });
    parts.watchdog.start();
    await unlessAborted(recovery.start(), signal);
    await this.agree(signal);
    parts.liveness.start();
    parts.sweep.start();
    for (const { start } of parts.additions) start?.();
    parts.housekeeping.start();
    parts.clockWatch.start();
    let ticks = 0;
    this.tickTimer = setInterval(() => {
      ticks += 1;
      this.tellOthers();
      parts.security.tick();
      parts.fanout.reportPositions();
      queues.look();
      follower.checkTail().catch((error: unknown) => report(error, 'fanout.tail'));
      // Workers check the settings before they append (Q4). This check is for queues without jobs.
      if (ticks % RESTORE_TICKS === 0) {
        queues.restore().catch((error: unknown) => report(error, 'events.restore'));
        parts.queueOwnership.claim().catch((error: unknown) => report(error, 'events.queue_home'));
      }
    }, WATCHDOG_INTERVAL_MS);
    await persist(() => queues.startWorkers(), { where: 'start.workers', report, signal });
    parts.running.started();
    logger.info({ lease: lease.id, redis: version, subscribed: bus.subscribedSince !== null }, 'ready');
  }

  /**
   * Before the first worker starts: this node must not differ from the others in settings that would lose events or their order. The values of
   * another node may change within a beat, and a killed node counts until it is declared dead.
   *
   * @throws Unmendable when the values still differ.
   */
  private async agree(signal: AbortSignal): Promise<void> {
    const { cards, differences, queueOwnership, report } = this.parts;
    const until = performance.now() + this.settings.leaseTtlMs + AGREEMENT_PATIENCE_MS;
    const step = async (): Promise<void> => {
      await queueOwnership.claim();
      if (queueOwnership.value !== null) cards.agree(QUEUE_AGREEMENT, queueOwnership.value);
      const refusal = queueOwnership.fault ?? differences.refusal();
      if (refusal === null) return;
      throw performance.now() < until ? new Error(refusal) : new Unmendable(refusal);
    };
    await persist(step, { where: 'start.agreement', report, signal });
    cards.declare({ joined: true });
  }

  /** Keeps this node's card up to date, and compares the cards of the others. */
  private tellOthers(): void {
    const { cards, catalogues, differences, notices, oldBuildWatch, queueOwnership, reports } = this.parts;
    cards.declare({ fit: reports.readiness.isFit() });
    cards.agree('event catalogue', catalogues.version);
    if (queueOwnership.value !== null) cards.agree(QUEUE_AGREEMENT, queueOwnership.value);
    differences.look();
    oldBuildWatch.look();
    const noticed = new Set(notices.read().map(({ text }) => text));
    for (const text of noticed) if (!this.noticed.has(text)) this.logger.warn({ notice: text }, 'noticed');
    this.noticed = noticed;
  }

  /** Reads the event catalogue again, on this node alone. An invalid one is logged, and the old one stays in force. */
  async reloadCatalogue(): Promise<void> {
    await this.parts.catalogueReloads.local();
  }

  /** Makes the node unready, closes its connections with a delay for their return, hands over its work and ends. */
  stop(): Promise<void> {
    this.stopping ??= this.end();
    return this.stopping;
  }

  /** Makes the node unready and sends every connection away. */
  private drain(): number {
    const { logger, parts } = this;
    const { sockets, random } = parts;
    const connections = sockets.size;
    if (this.draining) return connections;
    this.draining = true;
    logger.info({ connections }, 'draining');
    parts.connectRate.stop();
    this.drained = sockets.closeAll(this.settings.drainMs, () => Math.floor(random() * RECONNECT_SPREAD_MS));
    return connections;
  }

  private async end(): Promise<void> {
    const { logger, parts } = this;
    const { queues, releases, recovery, lease, server } = parts;
    this.ending.abort();
    this.drain();
    await this.drained;
    this.stopBy = performance.now() + STOP_MS;
    parts.sweep.stop();
    parts.clockWatch.stop();
    parts.liveness.stop();
    parts.backpressure.stop();
    if (this.tickTimer) clearInterval(this.tickTimer);
    parts.pendingReplacements.stop();
    await this.attempt('stop.inspector', parts.inspector.stop());
    for (const { name, stop } of parts.additions) if (stop) await this.attempt(`stop.${name}`, stop());
    await this.attempt('stop.queues', queues.close());
    await this.attempt('stop.releases', releases.flush());
    await this.attempt('stop.housekeeping', parts.housekeeping.stop());
    await this.attempt('stop.follower', parts.follower.stop());
    parts.fanout.stop();
    parts.userScope.stop();
    await this.attempt('stop.recovery', recovery.stop());
    // Everything is closed and nothing more will be delivered, so no node needs to wait until the lease expires.
    await this.attempt('stop.lease', lease.end());
    parts.watchdog.stop();
    parts.bus.stop();
    releases.stop();
    parts.reports.stop();
    parts.queueAdmin.stop();
    for (const client of [parts.redis, parts.subscriber]) client.disconnect();
    await new Promise<void>((resolve) => {
      server.close((error) => {
        if (error) parts.report(error, 'stop.server');
        resolve();
      });
      server.closeAllConnections();
    });
    parts.security.flush();
    logger.info('stopped');
  }

  /** One step of the end. A step that fails or hangs does not stop the others. */
  private async attempt(where: string, step: Promise<unknown>): Promise<void> {
    const ended = step.catch((error: unknown) => this.parts.report(error, where)).then(() => true);
    const ms = Math.max(MIN_STEP_MS, Math.min(STOP_STEP_MS, this.stopBy - performance.now()));
    if (!(await withTimeout(ended, ms, false))) this.parts.report(new Error('took too long'), where);
  }
}

/** Resolves when the client is connected, however long Redis takes. */
async function ready(client: RedisClient): Promise<void> {
  await new Promise<void>((resolve) => {
    client.once('ready', resolve);
    // The client's `error` listener reports a failed first attempt, and its retry strategy repeats it.
    client.connect().catch(() => undefined);
  });
}
