import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { ppid } from 'node:process';
import type { DestinationStream } from 'pino';
import { tokenClock } from '../auth/tokenClock.js';
import { ConnectionTable } from '../connections/lifecycle/connectionTable.js';
import { SecurityRecords } from '../connections/lifecycle/securityRecords.js';
import { Unregistered } from '../connections/lifecycle/unregistered.js';
import { shownAddress } from '../connections/limits/addressGroup.js';
import { ClientAddresses } from '../connections/limits/clientAddresses.js';
import { bullmqEngine } from '../events/queue/bullmq/bullmqEngine.js';
import { Notices, PENALTY } from '../observability/health/notices.js';
import { RunningParts } from '../observability/health/runningParts.js';
import { ErrorLog } from '../observability/log/errorLog.js';
import { createLogger, createReport } from '../observability/log/logger.js';
import { LogStream } from '../observability/log/logStream.js';
import { SecurityLog } from '../observability/log/securityLog.js';
import { Durations } from '../observability/metrics/durations.js';
import { NodeCounts } from '../observability/metrics/nodeCounts.js';
import type { Answers, Siblings } from '../processGroup.js';
import {
  type ConnectionRole,
  clusterNodes,
  createRedis,
  type Host,
  parseRedisUrl,
  type RedisClient,
} from '../redis/connect.js';
import { ConnectionFaults } from '../redis/connectionFaults.js';
import { Installation } from '../redis/installation.js';
import { Keys } from '../redis/keys.js';
import { type InspectedRedis, RedisInspector } from '../redis/redisInspector.js';
import { clusterRequirements, queueRequirements } from '../redis/requirements.js';
import { ClusterTime } from '../registry/time/clusterTime.js';
import { type Settings, secretsOf } from '../settings/settings.js';
import { type Clock, systemClock } from '../util/clock.js';
import type { Extension } from './composeExtensions.js';

const INSTALLATION_BYTES = 9;

/** A deploy is over after this time. */
const DIFFERENCES_TOLD_MS = 600_000;

export interface NodeOptions {
  readonly clock?: Clock;
  readonly random?: () => number;
  /** Joins this node to the other processes of its container, which share its port. */
  readonly siblings?: (answers: Answers) => Siblings;
  readonly extensions?: readonly Extension[];
  /** How long values may differ between nodes during a deploy before the difference is reported, ms. Default: 10 min. */
  readonly differencesReportedMs?: number;
  /** Destination of the log lines. Default: standard output. */
  readonly logTo?: DestinationStream;
}

/** Calls upwards, to the node itself. */
export interface DrainCalls {
  readonly isDraining: () => boolean;
  /** Begins or continues to drain the node. @returns the number of open connections. */
  readonly drain: () => number;
}

export type CoreParts = ReturnType<typeof composeCore>;

/** The base of all other parts: settings, clock, log, counters, the connections to Redis and the table of connections. */
export function composeCore(settings: Settings, options: NodeOptions, { isDraining, drain }: DrainCalls) {
  const machineClock = options.clock ?? systemClock;
  const { nodeId } = settings;
  const processId = `${nodeId}~${randomBytes(4).toString('hex')}`;
  const logStream = new LogStream();
  const logger = createLogger(settings.logLevel, nodeId, {
    secrets: secretsOf(settings),
    destination: options.logTo ?? logStream,
  });
  const notices = new Notices();
  notices.add(() => {
    if (logStream.failing === null) return [];
    const text = `log: standard output cannot be written (${logStream.failing}); lines go to standard error, or are lost`;
    return [{ text, penalty: PENALTY.degraded }];
  });
  const inLog = (ip: string): string | undefined => shownAddress(ip, settings.logAddresses);
  const security = new SecurityLog({
    logger,
    clock: machineClock,
    rate: settings.securityLogRate,
    shownAddress: inLog,
  });
  const reported = new Map<string, number>();
  const report = createReport(
    logger,
    () => machineClock.mono(),
    (where) => reported.set(where, (reported.get(where) ?? 0) + 1),
  );
  const connectionFaults = new ConnectionFaults();
  const connect = (role: ConnectionRole, url: string, peers: () => readonly Host[] = () => []): RedisClient => {
    const commandTimeoutMs = settings.redisCommandTimeoutMs;
    const setting = url === settings.redisUrl ? 'REDIS_URL' : 'REDIS_QUEUE_URL';
    const options = { commandTimeoutMs, name: `${nodeId}:${role}`, setting, faults: connectionFaults, peers };
    const client = createRedis(parseRedisUrl(url), role, options);
    client.on('error', (error: unknown) => report(error, `redis.${role}`));
    return client;
  };
  notices.add(() => connectionFaults.list().map((text) => ({ text: `redis: ${text}`, penalty: PENALTY.unhealthy })));
  const keys = new Keys(settings.redisPrefix, parseRedisUrl(settings.redisUrl).database);
  const redis = connect('command', settings.redisUrl);
  const clusterTime = new ClusterTime({ redis, keys, clock: machineClock });
  const candidate = randomBytes(INSTALLATION_BYTES).toString('base64url');
  const installation = new Installation(candidate, (id, former) => {
    logger.warn(
      { installation: id, former },
      'the installation has another id: this Redis lost its data, or is not the same Redis',
    );
  });
  const inspector = new RedisInspector(inspected(settings, keys, connect), logger, report);
  notices.add(() => inspector.notices());
  redis.on('ready', () => inspector.look());
  return {
    settings,
    nodeId,
    /** Id of this process. Unlike NODE_ID it is unique. No other name contains a `~`. */
    processId,
    /** Names the processes that share this one's port (NODES); a balancer sees them as one. */
    group: options.siblings ? `${hostname()}/${ppid}` : processId,
    /** Cluster time, and the monotonic clock of this machine. Every time that another machine reads or writes is compared with it. */
    clock: clusterTime as Clock,
    clusterTime,
    /** The clocks of this machine: for its lease, and for tokens, whose issuer may be right where Redis is wrong. */
    machineClock,
    /** The clock for the beginning and end of tokens. */
    tokenClock: tokenClock(machineClock, clusterTime),
    random: options.random ?? Math.random,
    isDraining,
    drain,
    logger,
    /** A client's address in the form that may be logged. */
    shownAddress: inLog,
    security,
    securityRecords: new SecurityRecords(security),
    report,
    /** Number of `report` calls, by place. */
    reported,
    /** Conditions that operators must know. */
    notices,
    /** The parts that the node needs to serve. */
    running: new RunningParts(),
    logLines: logStream.astray,
    counts: new NodeCounts(clusterTime),
    durations: new Durations(),
    errorLog: new ErrorLog(clusterTime),
    keys,
    installation,
    connect,
    inspector,
    redis,
    subscriber: connect('subscriber', settings.redisUrl, () => clusterNodes(redis)),
    addresses: new ClientAddresses(settings.trustProxy),
    table: new ConnectionTable(),
    unregistered: new Unregistered(),
    differencesReportedMs: options.differencesReportedMs ?? DIFFERENCES_TOLD_MS,
    joinSiblings: options.siblings ?? null,
    queueEngine: bullmqEngine,
  };
}

/** The Redis servers of this node: one or two. */
function inspected(
  { redisUrl, redisQueueUrl }: Settings,
  keys: Keys,
  connect: (role: 'inspection', url: string) => RedisClient,
): InspectedRedis[] {
  const [cluster, queue] = [clusterRequirements(keys), queueRequirements(keys, bullmqEngine)];
  const open = (url: string) => (): RedisClient => connect('inspection', url);
  if (redisQueueUrl !== null) {
    return [
      { setting: 'REDIS_URL', needs: cluster, open: open(redisUrl) },
      { setting: 'REDIS_QUEUE_URL', needs: queue, open: open(redisQueueUrl) },
    ];
  }
  const needs = {
    ...cluster,
    transactions: queue.transactions,
    commands: [...new Set([...cluster.commands, ...queue.commands])],
    keys: [...cluster.keys, ...queue.keys],
  };
  return [{ setting: 'REDIS_URL', needs, open: open(redisUrl) }];
}
