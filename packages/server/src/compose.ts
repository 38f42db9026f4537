import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { CLOSE } from '@unified-ws/protocol';
import { Redis } from 'ioredis';
import { createKeySource } from './auth/keys.js';
import type { RoleTable } from './auth/roles.js';
import { TokenVerifier } from './auth/token.js';
import { Bus } from './bus/bus.js';
import { Commands } from './bus/commands.js';
import { Watchdog } from './bus/watchdog.js';
import { ackHandlers } from './dispatch/ack.js';
import { adminHandlers } from './dispatch/admin.js';
import { basicHandlers } from './dispatch/basic.js';
import { Dispatcher } from './dispatch/dispatcher.js';
import { healthHandlers } from './dispatch/health.js';
import { preferenceHandlers } from './dispatch/preferences.js';
import { queueHandlers } from './dispatch/queue.js';
import { subscriptionHandlers } from './dispatch/subscriptions.js';
import { tokenHandlers } from './dispatch/token.js';
import { Acceptor } from './edge/accept.js';
import { AddressLimit } from './edge/addressLimit.js';
import { Authority } from './edge/authority.js';
import { Backpressure } from './edge/backpressure.js';
import { Connection } from './edge/connection.js';
import { Inbound } from './edge/inbound.js';
import { Liveness } from './edge/liveness.js';
import { Sockets } from './edge/sockets.js';
import { ConnectionTable } from './edge/table.js';
import { Upgrades } from './edge/upgrade.js';
import { AppError } from './errors.js';
import { Appender } from './events/appender.js';
import type { EventCatalogue } from './events/catalogue.js';
import { Catalogues } from './events/catalogues.js';
import { EphemeralSender, parseEphemeral } from './events/ephemeral.js';
import { EventIds } from './events/eventId.js';
import { EventStatuses } from './events/eventStatus.js';
import { BroadcastLog } from './events/log.js';
import { LogPages } from './events/logPages.js';
import { Mailboxes } from './events/mailbox.js';
import { MailCourier } from './events/mailCourier.js';
import { Publisher } from './events/publish.js';
import { EventQueues } from './events/queue.js';
import { pooledRandom } from './events/randomPool.js';
import { TypeRates } from './events/typeRates.js';
import { Acks } from './fanout/acks.js';
import { Clearances } from './fanout/clearance.js';
import { Compression } from './fanout/compression.js';
import { Fanout } from './fanout/flush.js';
import { Follower } from './fanout/follower.js';
import { PreferenceFormat } from './fanout/preferences.js';
import { Resumes } from './fanout/resume.js';
import { SavedPreferences } from './fanout/savedPreferences.js';
import { SavedSubscriptions } from './fanout/subscriptions.js';
import { TypeSets } from './fanout/typeSet.js';
import { UserScope } from './fanout/userScope.js';
import type { ComposeOptions, NodeParts } from './nodeParts.js';
import { NodeCounts } from './observability/counts.js';
import { ErrorLog } from './observability/errorLog.js';
import { createLogger, createReport } from './observability/logger.js';
import { Audit } from './operations/audit.js';
import { AuditLog } from './operations/auditLog.js';
import { CatalogueReloads } from './operations/catalogue.js';
import { Disconnects } from './operations/disconnect.js';
import { PermissionChanges } from './operations/permissions.js';
import { QueueAdmin } from './operations/queue.js';
import { createReports } from './operations/reports.js';
import { type ConnectionRole, createRedis, parseRedisUrl, type RedisClient } from './redis/connect.js';
import { Keys } from './redis/keys.js';
import { Claims } from './registry/claim.js';
import { Displacements } from './registry/displacement.js';
import { Evictions } from './registry/evictions.js';
import { Housekeeping } from './registry/housekeeping.js';
import { Judge } from './registry/judge.js';
import { Lease } from './registry/lease.js';
import { type ReconcileParts, Reconciler, Sweep } from './registry/reconcile.js';
import { Recovery } from './registry/recovery.js';
import { Releases } from './registry/releases.js';
import { RegistryStore } from './registry/store.js';
import { createRestApp } from './rest/app.js';
import type { Settings } from './settings.js';

/** A request head, and a whole request, must be in by then, milliseconds: a peer that dawdles holds a socket and no more. */
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;

/** What an upgrade is told, and when to come back, seconds. */
const AVAILABLE = { reason: '', retryAfterS: 0 };
const DRAINING = { reason: 'This node is draining.', retryAfterS: 1 };
const CUT_OFF = { reason: 'This node cannot reach the cluster.', retryAfterS: 2 };

/**
 * Builds the parts of a node in the order in which they depend on each other. Nothing is started and no socket opened. The few
 * calls that go upwards (a message of the bus, a change of standing) are closures over parts that are made further down.
 */
export function compose(settings: Settings, options: ComposeOptions): NodeParts {
  const { clock, random, isDraining } = options;
  const { nodeId } = settings;
  const logger = createLogger(settings.logLevel, nodeId);
  const reported = new Map<string, number>();
  const report = createReport(
    logger,
    () => clock.mono(),
    (where) => reported.set(where, (reported.get(where) ?? 0) + 1),
  );
  const counts = new NodeCounts(clock);
  const errorLog = new ErrorLog(clock);
  const keys = new Keys(settings.redisPrefix);
  const connect = (role: ConnectionRole, url: string): RedisClient => {
    const commandTimeoutMs = settings.redisCommandTimeoutMs;
    const client = createRedis(parseRedisUrl(url), role, { commandTimeoutMs, name: `${nodeId}:${role}` });
    client.on('error', (error: unknown) => report(error, `redis.${role}`));
    return client;
  };

  // Redis and the bus
  const redis = connect('command', settings.redisUrl);
  const subscriber = connect('subscriber', settings.redisUrl);
  const table = new ConnectionTable();
  const judge = new Judge(settings.leaseTtlMs);
  const bus = new Bus(
    { command: redis, subscriber, keys, clock, report },
    {
      onEvents: (text) => {
        const ephemeral = parseEphemeral(text);
        if (ephemeral) fanout.ephemeral.take(ephemeral, text.length);
        else follower.receive(text);
      },
      onInterrupted: (reason) => recovery.interrupt(reason),
      onMessage: (message, size) => {
        if (message.t === 'evict') evictions.onEvict(message);
        else if (message.t === 'evicted') displacements.confirm(message.by, message.conn);
        else if (message.t === 'ephemeral') fanout.ephemeral.takeTargeted(message.events, size);
        else if (message.t === 'request') commands.onRequest(message);
        else if (message.t === 'reply') commands.onReply(message);
        else for (const batch of message.boxes) userScope.receive(batch);
      },
    },
  );
  const evictions = new Evictions({ bus, find: (conn) => table.get(conn) });
  const watchdog = new Watchdog(bus, clock, report);
  const lease = new Lease({ redis, bus, keys, clock, judge, nodeId, ttlMs: settings.leaseTtlMs });
  const commands = new Commands({ bus, report, lease: () => lease.id, liveLeases: () => judge.live() });

  // The registry
  const store = new RegistryStore({
    redis,
    keys,
    policy: settings.connectionPolicy,
    mailboxTtlMs: settings.mailboxTtlMs,
  });
  const releases = new Releases({
    redis,
    keys,
    store,
    clock,
    report,
    hasUser: (userId) => table.hasUser(userId),
    ordered: redis instanceof Redis,
  });
  const displacements = new Displacements({ bus, judge, clock, timeoutMs: settings.replaceTimeoutMs });
  const claims = new Claims({ store, lease, judge, displacements, releases, clock, report });
  const reconcileParts: ReconcileParts = {
    store,
    claims,
    releases,
    report,
    lease: () => lease.id,
    holders: () => [...table.all()].filter((one) => one.established),
    hasConnection: (conn) => table.get(conn) !== undefined,
    onMailbox: ({ id }, head) => {
      const connection = table.get(id);
      if (connection) userScope.observe(connection, head);
    },
  };
  const reconciler = new Reconciler(reconcileParts);
  const recovery = new Recovery({
    lease,
    bus,
    judge,
    clock,
    logger,
    report,
    onNewLease: () => {
      releases.useLease(lease.id);
      acceptor.endUnestablished(CLOSE.LEASE_LOST);
    },
    reconcile: () => reconciler.all(),
    catchUp: () => follower.readHead(),
    onStanding: (standing) => {
      counts.standing(standing);
      if (standing === 'serving') {
        follower.resume();
        userScope.resume();
      } else follower.pause();
      if (standing === 'interrupted') acceptor.endUnestablished(CLOSE.UNAVAILABLE);
    },
  });
  const isServing = (): boolean => recovery.mayDeliver();
  const sweepParts = { ...reconcileParts, intervalMs: settings.sweepIntervalMs, isServing };
  const sweep = new Sweep(sweepParts, reconciler);
  const housekeeping = new Housekeeping({ redis, keys, clock, judge, store, report, isServing, nodeId });

  // Events
  const catalogues = new Catalogues(settings.eventCatalogue);
  const catalogue = (): EventCatalogue => catalogues.catalogue;
  const bytes = pooledRandom(randomBytes);
  const log = new BroadcastLog({ redis, keys, random: bytes, ...settings });
  const courier = new MailCourier({ bus, report, lease: () => lease.id, deliver: (batch) => userScope.receive(batch) });
  const onAppended = courier.send.bind(courier);
  const mailboxes = new Mailboxes({ redis, keys, random: bytes, onAppended, ...settings });
  const appender = new Appender({ log, mailboxes });
  const ids = new EventIds(clock, bytes);
  const typeRates = new TypeRates(catalogue, clock);
  const queues = new EventQueues(
    {
      keys,
      clock,
      report,
      nodeId,
      ids,
      logRedis: redis,
      append: (events) => typeRates.counted(events, appender.append(events)),
      knows: (type) => catalogue().get(type) !== undefined,
      mayAppend: isServing,
      connect: (role) => connect(role, settings.redisQueueUrl ?? settings.redisUrl),
    },
    { partitions: settings.eventQueuePartitions, maxJobs: settings.eventQueueMax, stallMs: settings.workerStallMs },
  );
  const ephemeral = new EphemeralSender({ redis, keys, clock });
  const publisher = new Publisher({ catalogue, queues, log, mailboxes, ephemeral, ids, clock });
  const typeSets = new TypeSets();
  const compression = new Compression(clock);
  const fanout = new Fanout({
    catalogue,
    typeSets,
    clock,
    compression,
    logger,
    report,
    pages: new LogPages(log),
    windowSize: settings.windowSize,
    windowBytes: settings.windowBytes,
    historySize: settings.historySize,
    mayDeliver: isServing,
    ofUser: (userId) => table.ofUser(userId),
  });
  const ofUser = (userId: string): readonly Connection[] => table.ofUser(userId);
  const userScope = new UserScope({ mailboxes, catalogue, clock, compression, ofUser, mayDeliver: isServing, report });
  const acks = new Acks(mailboxes, report);
  const follower = new Follower({ log, fanout, report, isServing });

  // Connections
  const roles = (): RoleTable => catalogues.roles;
  const verifier = new TokenVerifier(createKeySource(settings, { clock, report }), {
    issuer: settings.jwtIssuer,
    audience: settings.jwtAudience,
    clock,
  });
  const preferenceFormat = new PreferenceFormat();
  const liveness = new Liveness({
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
    userCursor: (connection) => userScope.untold(connection),
    cursorOf: (connection) => fanout.cursorText(connection),
    onAuthTimeout: (connection) => {
      const error = new AppError('AUTH_ERROR', 'No access token was sent in time.', { details: { reason: 'missing' } });
      acceptor.refuse(connection, error, CLOSE.AUTH_TIMEOUT);
    },
  });
  const backpressure = new Backpressure({
    clock,
    logger,
    delayMs: settings.recoveryDelayMs,
    attempts: settings.recoveryAttempts,
    onDrained: (connection) => {
      fanout.drained(connection);
      userScope.wake(connection);
    },
  });
  const clearances = new Clearances();
  const authority = new Authority({
    catalogue,
    roles,
    clearances,
    typeSets,
    fanout,
    liveness,
    store,
    clock,
    report,
    maxSubscriptions: settings.maxSubscriptions,
  });
  const sockets = new Sockets({
    clock,
    logger,
    table,
    fanout,
    userScope,
    claims,
    liveness,
    backpressure,
    amend: (connection, amendment) => authority.amend(connection, amendment),
  });
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
  const queueAdmin = new QueueAdmin({
    queues,
    audit,
    catalogue,
    commands,
    redis,
    keys,
    clock,
    logger,
    report,
    done: counts.queueAdmin,
    nodeId,
    commandTimeoutMs: settings.commandTimeoutMs,
    maxJobs: settings.eventQueueMax,
  });
  const permissionChanges = new PermissionChanges({
    store,
    commands,
    judge,
    table,
    reconciler,
    audit,
    clock,
    report,
    timeoutMs: settings.commandTimeoutMs,
    graceMs: settings.tokenGraceMs,
  });
  const catalogueReloads = new CatalogueReloads({
    catalogues,
    authority,
    table,
    fanout,
    commands,
    redis,
    keys,
    judge,
    report,
    audit,
    logger,
    random: randomBytes,
    nodeId,
    timeoutMs: settings.commandTimeoutMs,
  });
  const dispatcher = new Dispatcher({
    handlers: {
      ...basicHandlers(clock),
      ...ackHandlers(acks),
      ...healthHandlers({ clock, ...settings }),
      ...subscriptionHandlers({
        catalogue,
        roles,
        authority,
        saved: new SavedSubscriptions(redis, keys),
        fanout,
        clock,
        report,
        maxSubscriptions: settings.maxSubscriptions,
      }),
      ...preferenceHandlers({
        catalogue,
        saved: new SavedPreferences(redis, keys, preferenceFormat),
        fanout,
        clock,
        report,
      }),
      ...tokenHandlers({ verifier, store, authority, report }),
      ...adminHandlers({ disconnects, publisher, onPublished: (receipt) => counts.published(receipt) }),
      ...queueHandlers(queueAdmin),
    },
    clock,
    report,
    maxConsecutiveErrors: settings.maxConsecutiveErrors,
    onMessage: (type) => counts.message(type),
    onError: (connection, error) => errorLog.onConnection(connection, error.code),
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
        acceptor.firstMessage(connection, dispatcher.readAuthenticate(connection, text));
      } catch (error) {
        if (!(error instanceof AppError)) throw error;
        acceptor.refuse(connection, error, CLOSE.AUTH_FAILED);
      }
    },
  });
  const acceptor = new Acceptor({
    verifier,
    roles,
    clearances,
    authority,
    preferenceFormat,
    claims,
    table,
    fanout,
    userScope,
    resumes: new Resumes(log, fanout),
    liveness,
    clock,
    logger,
    report,
    nodeId,
    mayDeliver: isServing,
    sendError,
    onEstablished: (connection, tookMs, displaced) => {
      reports.metrics.connected(tookMs, displaced);
      inbound.process(connection);
    },
    limits: {
      max_payload: settings.maxPayload,
      max_subscriptions: settings.maxSubscriptions,
      message_rate: settings.messageRate,
      message_burst: settings.messageBurst,
    },
    heartbeatIntervalMs: settings.heartbeatIntervalMs,
  });
  const upgrades = new Upgrades({
    logger,
    addressLimit: new AddressLimit(clock, settings.connectRatePerIp, settings.connectBurstPerIp),
    maxPayload: settings.maxPayload,
    compression: settings.compression === 'on',
    maxConnections: settings.maxConnections,
    maxPendingAuth: settings.maxPendingAuth,
    allowedOrigins: settings.allowedOrigins,
    trustProxy: settings.trustProxy,
    connections: () => sockets.size,
    pendingAuth: () => sockets.pendingAuth,
    unavailable: () => {
      if (isDraining()) return DRAINING;
      return recovery.standing === 'serving' ? AVAILABLE : CUT_OFF;
    },
    onRefused: (reason) => counts.upgradeRefused(reason),
    onAccepted: (ws, socket, origin, token) => {
      const connection = new Connection(ws, socket, origin, sockets, settings);
      sockets.add(connection);
      inbound.attach(connection);
      acceptor.accept(connection, token);
    },
  });
  const view = {
    settings,
    clock,
    report,
    redis,
    subscriber,
    bus,
    commands,
    store,
    lease,
    judge,
    recovery,
    releases,
    displacements,
    evictions,
    table,
    sockets,
    backpressure,
    fanout,
    mailboxes,
    userScope,
    acks,
    queues,
    ephemeral,
    compression,
    typeRates,
    counts,
    errorLog,
    reported,
    isDraining,
  };
  const reports = createReports(view);
  const siblings = options.siblings
    ? options.siblings({
        ready: () => reports.readiness.read(),
        metrics: () => reports.metrics.text(),
        reload: () => catalogueReloads.local(),
      })
    : null;
  const app = createRestApp({
    settings,
    verifier,
    roles,
    catalogue,
    store,
    publisher,
    eventStatuses: new EventStatuses({ log, lookups: () => queues.lookups() }),
    mailboxes,
    disconnects,
    queueAdmin,
    auditLog: new AuditLog({ redis, keys, report }),
    permissionChanges,
    catalogueReloads,
    reports,
    counts,
    errorLog,
    siblings,
    clock,
    report,
  });
  const server = createServer({ headersTimeout: HEADERS_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS }, app);
  server.on('upgrade', (request, socket, head) => upgrades.handle(request, socket, head));
  // A link that broke may have lost commands and messages alike (C12).
  redis.on('close', () => recovery.interrupt('the command connection closed'));
  return {
    logger,
    report,
    redis,
    subscriber,
    bus,
    watchdog,
    lease,
    recovery,
    releases,
    displacements,
    sweep,
    housekeeping,
    queues,
    fanout,
    follower,
    userScope,
    liveness,
    backpressure,
    sockets,
    reports,
    queueAdmin,
    server,
    catalogueReloads,
  };
}
