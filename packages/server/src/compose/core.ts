import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { ppid } from 'node:process';
import { tokenClock } from '../auth/tokenClock.js';
import type { Clock } from '../clock.js';
import { shownAddress } from '../edge/addressGroup.js';
import { ClientAddresses } from '../edge/clientAddress.js';
import { SecurityRecords } from '../edge/securityRecords.js';
import { ConnectionTable } from '../edge/table.js';
import { LegacyTable } from '../legacy/table.js';
import type { ComposeOptions } from '../nodeParts.js';
import { NodeCounts } from '../observability/counts.js';
import { ErrorLog } from '../observability/errorLog.js';
import { createLogger, createReport } from '../observability/logger.js';
import { LogStream } from '../observability/logStream.js';
import { Notices, PENALTY } from '../observability/notices.js';
import { RunningParts } from '../observability/runningParts.js';
import { SecurityLog } from '../observability/securityLog.js';
import {
  type ConnectionRole,
  clusterNodes,
  createRedis,
  type Host,
  parseRedisUrl,
  type RedisClient,
} from '../redis/connect.js';
import { Keys } from '../redis/keys.js';
import { ClusterTime } from '../registry/clusterTime.js';
import { type Settings, secretsOf } from '../settings.js';

export type Core = ReturnType<typeof composeCore>;

/** What all others stand on: settings, clock, log, counters, the connections to Redis and the table of connections. */
export function composeCore(
  settings: Settings,
  { clock: machineClock, random, isDraining, drain, legacyIdleMs, logTo, siblings, differencesToldMs }: ComposeOptions,
) {
  const { nodeId } = settings;
  const processId = `${nodeId}~${randomBytes(4).toString('hex')}`;
  const logStream = new LogStream();
  const logger = createLogger(settings.logLevel, nodeId, {
    secrets: secretsOf(settings),
    destination: logTo ?? logStream,
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
  const connect = (role: ConnectionRole, url: string, peers: () => readonly Host[] = () => []): RedisClient => {
    const commandTimeoutMs = settings.redisCommandTimeoutMs;
    const client = createRedis(parseRedisUrl(url), role, { commandTimeoutMs, name: `${nodeId}:${role}`, peers });
    client.on('error', (error: unknown) => report(error, `redis.${role}`));
    return client;
  };
  const keys = new Keys(settings.redisPrefix);
  const redis = connect('command', settings.redisUrl);
  const clusterTime = new ClusterTime({ redis, keys, clock: machineClock });
  return {
    settings,
    nodeId,
    /** Of this one process; NODE_ID may be given twice. No name holds a `~`. */
    processId,
    /** Names the processes that share this one's port (NODES); a balancer knows them as one. */
    group: siblings ? `${hostname()}/${ppid}` : processId,
    /** Cluster time, and the monotonic clock of this machine. What leaves the process, or comes from elsewhere, is compared with it. */
    clock: clusterTime as Clock,
    clusterTime,
    /** The clocks of this machine: for its lease, and for tokens, whose issuer may be right where Redis is wrong. */
    machineClock,
    /** By what tokens begin and end. */
    tokenClock: tokenClock(machineClock, clusterTime),
    random,
    isDraining,
    drain,
    logger,
    /** A client's address as the log may show it. */
    shownAddress: inLog,
    security,
    securityRecords: new SecurityRecords(security),
    report,
    /** What went to `report`, by place. */
    reported,
    /** What the parts of this node notice and must be known. */
    /** Those without which it does not serve. */
    running: new RunningParts(),
    notices,
    logLines: logStream.astray,
    counts: new NodeCounts(clusterTime),
    errorLog: new ErrorLog(clusterTime),
    keys,
    connect,
    redis,
    subscriber: connect('subscriber', settings.redisUrl, () => clusterNodes(redis)),
    addresses: new ClientAddresses(settings.trustProxy),
    table: new ConnectionTable(),
    legacyTable: new LegacyTable(),
    legacyIdleMs,
    differencesToldMs,
  };
}
