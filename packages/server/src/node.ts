import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CLOSE } from '@unified-ws/protocol';
import { Redis } from 'ioredis';
import proxyaddr from 'proxy-addr';
import { createKeySource } from './auth/keys.js';
import { RoleTable } from './auth/roles.js';
import { TokenVerifier } from './auth/token.js';
import { Bus } from './bus/bus.js';
import { Commands } from './bus/commands.js';
import { WATCHDOG_INTERVAL_MS, Watchdog } from './bus/watchdog.js';
import { type Clock, systemClock } from './clock.js';
import { adminHandlers } from './dispatch/admin.js';
import { basicHandlers } from './dispatch/basic.js';
import { Dispatcher } from './dispatch/dispatcher.js';
import { healthHandlers } from './dispatch/health.js';
import { subscriptionHandlers } from './dispatch/subscriptions.js';
import { Acceptor } from './edge/accept.js';
import { AddressLimit } from './edge/addressLimit.js';
import { Connection } from './edge/connection.js';
import { Inbound } from './edge/inbound.js';
import { Liveness } from './edge/liveness.js';
import { Sockets } from './edge/sockets.js';
import { ConnectionTable } from './edge/table.js';
import { Upgrades } from './edge/upgrade.js';
import { AppError } from './errors.js';
import { loadCatalogue } from './events/catalogue.js';
import { EventIds } from './events/eventId.js';
import { BroadcastLog } from './events/log.js';
import { Publisher } from './events/publish.js';
import { EventQueues } from './events/queue.js';
import { Clearances } from './fanout/clearance.js';
import { Fanout } from './fanout/flush.js';
import { Follower } from './fanout/follower.js';
import { SavedSubscriptions } from './fanout/subscriptions.js';
import { TypeSets } from './fanout/typeSet.js';
import { createLogger, createReport, type Logger, type Report } from './observability/logger.js';
import { Audit } from './operations/audit.js';
import { Disconnects } from './operations/disconnect.js';
import type { Answers, Siblings } from './processes.js';
import { type ConnectionRole, createRedis, parseRedisUrl, type RedisClient, requireVersion } from './redis/connect.js';
import { Keys } from './redis/keys.js';
import { Claims } from './registry/claim.js';
import { Displacements } from './registry/displacement.js';
import { Evictions } from './registry/evictions.js';
import { Housekeeping } from './registry/housekeeping.js';
import { Judge } from './registry/judge.js';
import { Lease } from './registry/lease.js';
import { Reconciler, type ReconcileParts, Sweep } from './registry/reconcile.js';
import { Recovery } from './registry/recovery.js';
import { Releases } from './registry/releases.js';
import { RegistryStore } from './registry/store.js';
import type { Settings } from './settings.js';

/** A draining node tells its clients to come back after up to this long, spread evenly, milliseconds. */
const RECONNECT_SPREAD_MS = 1000;
/** What ends a node waits at most this long for Redis, milliseconds: SIGTERM is answered within 10 s whatever happens. */
const STOP_PATIENCE_MS = 2000;

export interface NodeOptions {
  readonly clock?: Clock;
  readonly random?: () => number;
  /** Joins this node with the others of its container, which share its port. */
  readonly siblings?: (answers: Answers) => Siblings;
}

export interface ClusterNode {
  readonly id: string;
  readonly logger: Logger;
  /** Listens, then joins the cluster; resolves when the node serves. */
  start(): Promise<void>;
  /** The port listened on. */
  readonly port: number;
  /** Not ready from now on; closes the connections with a hint to come back, hands everything over and ends. */
  stop(): Promise<void>;
}

/** Builds the parts of a node in order. Several nodes can live in one process: nothing here is global. */
export function createNode(settings: Settings, options: NodeOptions = {}): ClusterNode {
  return new Node(settings, options);
}

class Node implements ClusterNode {
  readonly id: string;
  private readonly settings: Settings;
  readonly logger: Logger;
  private readonly report: Report;
  private readonly reports = new Map<string, number>();
  private readonly redis: RedisClient;
  private readonly subscriber: RedisClient;
  private readonly bus: Bus;
  private readonly watchdog: Watchdog;
  private readonly lease: Lease;
  private readonly recovery: Recovery;
  private readonly releases: Releases;
  private readonly displacements: Displacements;
  private readonly sweep: Sweep;
  private readonly housekeeping: Housekeeping;
  private readonly queues: EventQueues;
  private readonly fanout: Fanout;
  private readonly follower: Follower;
  private readonly liveness: Liveness;
  private readonly sockets: Sockets;
  private readonly server: Server;
  private tailTimer: NodeJS.Timeout | null = null;
  private draining = false;
  private stopping: Promise<void> | null = null;

  constructor(settings: Settings, options: NodeOptions) {
    const clock = options.clock ?? systemClock;
    const random = options.random ?? Math.random;
    this.settings = settings;
    this.id = settings.nodeId;
    this.logger = createLogger(settings.logLevel, settings.nodeId);
    this.report = createReport(this.logger, () => clock.mono(), (where) => {
      this.reports.set(where, (this.reports.get(where) ?? 0) + 1);
    });
    const { logger, report } = this;
    const keys = new Keys(settings.redisPrefix);

    // Redis and the bus
    this.redis = this.connect('command', settings.redisUrl);
    this.subscriber = this.connect('subscriber', settings.redisUrl);
    const { redis } = this;
    const table = new ConnectionTable();
    const judge = new Judge(settings.leaseTtlMs);
    this.bus = new Bus(
      { command: redis, subscriber: this.subscriber, keys, clock, report },
      {
        onEvents: (text) => this.follower.receive(text),
        onInterrupted: (reason) => this.recovery.interrupt(reason),
        onMessage: (message) => {
          if (message.t === 'evict') evictions.onEvict(message);
          else if (message.t === 'evicted') this.displacements.confirm(message.by, message.conn);
          else if (message.t === 'request') commands.onRequest(message);
          else commands.onReply(message);
        },
      },
    );
    const { bus } = this;
    const evictions = new Evictions({ bus, find: (conn) => table.get(conn) });
    this.watchdog = new Watchdog(bus, clock, report);
    this.lease = new Lease({ redis, bus, keys, clock, judge, nodeId: this.id, ttlMs: settings.leaseTtlMs });
    const { lease } = this;
    const commands = new Commands({ bus, report, lease: () => lease.id, liveLeases: () => judge.live() });

    // The registry
    const store = new RegistryStore({ redis, keys, policy: settings.connectionPolicy });
    this.releases = new Releases({
      redis,
      keys,
      store,
      report,
      hasUser: (userId) => table.hasUser(userId),
      ordered: redis instanceof Redis,
    });
    this.displacements = new Displacements({ bus, judge, clock, timeoutMs: settings.replaceTimeoutMs });
    const { releases, displacements } = this;
    const claims = new Claims({ store, lease, judge, displacements, releases, report });
    const reconcileParts: ReconcileParts = {
      store,
      claims,
      releases,
      report,
      lease: () => lease.id,
      holders: () => [...table.all()].filter((one) => one.established || one.status === 'replaying'),
      hasConnection: (conn) => table.get(conn) !== undefined,
    };
    const reconciler = new Reconciler(reconcileParts);
    this.recovery = new Recovery({
      lease,
      bus,
      judge,
      clock,
      logger,
      report,
      onNewLease: () => {
        releases.useLease(lease.id);
        acceptor.endUnestablished();
      },
      reconcile: () => reconciler.all(),
      catchUp: () => this.follower.readHead(),
      onStanding: (standing) => {
        if (standing === 'serving') {
          this.follower.resume();
          acceptor.resume();
        } else {
          this.follower.pause();
        }
      },
    });
    const { recovery } = this;
    const isServing = (): boolean => recovery.mayDeliver();
    const sweepParts = { ...reconcileParts, intervalMs: settings.sweepIntervalMs, isServing };
    this.sweep = new Sweep(sweepParts, reconciler);
    this.housekeeping = new Housekeeping({ redis, keys, clock, judge, store, report, isServing, nodeId: this.id });

    // Events
    const eventCatalogue = loadCatalogue();
    const catalogue = (): typeof eventCatalogue => eventCatalogue;
    const log = new BroadcastLog({ redis, keys, random: randomBytes, ...settings });
    this.queues = new EventQueues(
      {
        keys,
        clock,
        report,
        nodeId: this.id,
        append: (events) => log.append(events),
        knows: (type) => eventCatalogue.get(type) !== undefined,
        mayAppend: isServing,
        connect: (role) => this.connect(role, settings.redisQueueUrl ?? settings.redisUrl),
      },
      { partitions: settings.eventQueuePartitions, maxJobs: settings.eventQueueMax },
    );
    const ids = new EventIds(clock, randomBytes);
    const publisher = new Publisher({ catalogue, queues: this.queues, log, ids, clock });
    this.fanout = new Fanout({ catalogue, clock, logger, mayDeliver: isServing });
    const { fanout } = this;
    this.follower = new Follower({ log, fanout, report, isServing });

    // Connections
    const roleTable = new RoleTable(eventCatalogue.raw);
    const roles = (): RoleTable => roleTable;
    const verifier = new TokenVerifier(createKeySource(settings, { clock, report }), {
      issuer: settings.jwtIssuer,
      audience: settings.jwtAudience,
      clock,
    });
    const typeSets = new TypeSets();
    this.liveness = new Liveness({
      clock,
      random,
      pingIntervalMs: settings.pingIntervalMs,
      pingTimeoutMs: settings.pingTimeoutMs,
      heartbeatIntervalMs: settings.heartbeatIntervalMs,
      authTimeoutMs: settings.authTimeoutMs,
      cursor: () => {
        fanout.flush();
        return fanout.positionText;
      },
      onAuthTimeout: (connection) => {
        const error = new AppError('AUTH_ERROR', 'No access token was sent in time.', { details: { reason: 'missing' } });
        acceptor.refuse(connection, error, CLOSE.AUTH_TIMEOUT);
      },
    });
    const { liveness } = this;
    this.sockets = new Sockets({ clock, logger, table, fanout, claims, liveness });
    const { sockets } = this;
    const audit = new Audit({ redis, keys, clock, logger, report });
    const disconnects = new Disconnects({
      store,
      commands,
      judge,
      table,
      audit,
      clock,
      report,
      timeoutMs: settings.commandTimeoutMs,
    });
    const dispatcher = new Dispatcher({
      handlers: {
        ...basicHandlers(clock),
        ...healthHandlers({ clock, ...settings }),
        ...subscriptionHandlers({
          catalogue,
          roles,
          typeSets,
          saved: new SavedSubscriptions(redis, keys),
          fanout,
          clock,
          report,
          maxSubscriptions: settings.maxSubscriptions,
        }),
        ...adminHandlers({ disconnects, publisher }),
      },
      clock,
      report,
      maxConsecutiveErrors: settings.maxConsecutiveErrors,
      onMessage: () => undefined,
      onError: () => undefined,
    });
    const sendError = dispatcher.sendError.bind(dispatcher);
    const inbound = new Inbound({
      clock,
      report,
      messageRate: settings.messageRate,
      messageBurst: settings.messageBurst,
      sendError,
      handle: (connection, text) => dispatcher.handle(connection, text),
      onFirstMessage: (connection, text) => {
        try {
          acceptor.firstMessage(connection, dispatcher.readAuthenticate(text));
        } catch (error) {
          if (!(error instanceof AppError)) throw error;
          acceptor.refuse(connection, error, CLOSE.AUTH_FAILED);
        }
      },
    });
    const acceptor = new Acceptor({
      verifier,
      roles,
      catalogue,
      clearances: new Clearances(),
      typeSets,
      claims,
      table,
      fanout,
      liveness,
      clock,
      logger,
      report,
      nodeId: this.id,
      mayDeliver: isServing,
      sendError,
      onEstablished: (connection) => inbound.process(connection),
      limits: {
        max_payload: settings.maxPayload,
        max_subscriptions: settings.maxSubscriptions,
        message_rate: settings.messageRate,
        message_burst: settings.messageBurst,
      },
      heartbeatIntervalMs: settings.heartbeatIntervalMs,
    });
    const trustProxy = settings.trustProxy;
    const upgrades = new Upgrades({
      logger,
      addressLimit: new AddressLimit(clock, settings.connectRatePerIp, settings.connectBurstPerIp),
      maxPayload: settings.maxPayload,
      maxConnections: settings.maxConnections,
      maxPendingAuth: settings.maxPendingAuth,
      allowedOrigins: settings.allowedOrigins,
      trustProxy:
        trustProxy === false
          ? () => false
          : typeof trustProxy === 'number'
            ? (_address, hop) => hop < trustProxy
            : proxyaddr.compile([...trustProxy]),
      connections: () => sockets.size,
      pendingAuth: () => sockets.pendingAuth,
      unavailable: () => {
        if (this.draining) return { reason: 'This node is draining.', retryAfterS: 1 };
        if (recovery.standing !== 'serving') return { reason: 'This node cannot reach the cluster.', retryAfterS: 2 };
        return { reason: '', retryAfterS: 0 };
      },
      onRefused: () => undefined,
      onAccepted: (ws, socket, origin, token) => {
        const connection = new Connection(ws, socket, origin, sockets, settings);
        sockets.add(connection);
        inbound.attach(connection);
        acceptor.accept(connection, token);
      },
    });
    this.server = createServer((request, response) => {
      const ready = recovery.standing === 'serving' && !this.draining;
      response.writeHead(request.url === '/livez' || ready ? 200 : 503).end(`${recovery.reason}\n`);
    });
    this.server.on('upgrade', (request, socket, head) => upgrades.handle(request, socket, head));
    // A link that broke may have lost commands and messages alike (C12).
    redis.on('close', () => recovery.interrupt('the command connection closed'));
  }

  get port(): number {
    const address = this.server.address() as AddressInfo | null;
    return address?.port ?? 0;
  }

  async start(): Promise<void> {
    const { settings, redis, subscriber, bus, lease, logger } = this;
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen({ port: settings.port, host: settings.host, backlog: 4096 }, () => {
        this.server.off('error', reject);
        resolve();
      });
    });
    logger.info({ port: this.port, host: settings.host }, 'listening');
    this.bus.useLease(lease.id);
    this.releases.useLease(lease.id);
    await Promise.all([ready(redis), ready(subscriber)]);
    const version = await requireVersion(redis);
    await this.queues.start();
    this.watchdog.start();
    await this.recovery.start();
    if (this.stopping) return;
    this.liveness.start();
    this.sweep.start();
    this.housekeeping.start();
    this.tailTimer = setInterval(() => {
      this.follower.checkTail().catch((error: unknown) => this.report(error, 'fanout.tail'));
    }, WATCHDOG_INTERVAL_MS);
    await this.queues.startWorkers();
    logger.info({ lease: lease.id, redis: version, subscribed: bus.subscribedSince !== null }, 'ready');
  }

  stop(): Promise<void> {
    this.stopping ??= this.end();
    return this.stopping;
  }

  private async end(): Promise<void> {
    const { settings, logger, report } = this;
    this.draining = true;
    logger.info({ connections: this.sockets.size }, 'draining');
    await this.sockets.drain(settings.drainMs, () => Math.floor(Math.random() * RECONNECT_SPREAD_MS));
    this.sweep.stop();
    this.liveness.stop();
    if (this.tailTimer) clearInterval(this.tailTimer);
    this.displacements.stop();
    await this.attempt('stop.queues', this.queues.close());
    await this.attempt('stop.releases', this.releases.drain());
    await this.attempt('stop.housekeeping', this.housekeeping.stop());
    await this.attempt('stop.follower', this.follower.stop());
    this.fanout.stop();
    await this.attempt('stop.recovery', this.recovery.stop());
    // Everything is closed and nothing will be delivered any more: nobody need wait for the lease to run out.
    await this.attempt('stop.lease', this.lease.end());
    this.watchdog.stop();
    this.bus.stop();
    this.releases.stop();
    for (const client of [this.redis, this.subscriber]) client.disconnect();
    await new Promise<void>((resolve) => {
      this.server.close((error) => {
        if (error) report(error, 'stop.server');
        resolve();
      });
      this.server.closeAllConnections();
    });
    logger.info('stopped');
  }

  /** A step of the end: one that fails or hangs does not keep the others from their turn. */
  private async attempt(where: string, step: Promise<unknown>): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(() => {
        this.report(new Error('took too long'), where);
        resolve();
      }, STOP_PATIENCE_MS);
    });
    await Promise.race([step.catch((error: unknown) => this.report(error, where)), late]);
    clearTimeout(timer);
  }

  private connect(role: ConnectionRole, url: string): RedisClient {
    const { redisCommandTimeoutMs: commandTimeoutMs, nodeId } = this.settings;
    const client = createRedis(parseRedisUrl(url), role, { commandTimeoutMs, name: `${nodeId}:${role}` });
    client.on('error', (error: unknown) => this.report(error, `redis.${role}`));
    return client;
  }
}

/** Resolves when the client is connected, however long Redis takes to come. */
async function ready(client: RedisClient): Promise<void> {
  await new Promise<void>((resolve) => {
    client.once('ready', resolve);
    // A first attempt that fails is reported by the client's `error` listener, and tried again by its retry strategy.
    client.connect().catch(() => undefined);
  });
}
