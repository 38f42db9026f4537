import { randomBytes } from 'node:crypto';
import type { RoleTable } from '../auth/roleTable.js';
import type { MailBatch } from '../bus/busMessages.js';
import { Catalogues } from '../events/catalogue/catalogues.js';
import type { EventCatalogue } from '../events/catalogue/eventCatalogue.js';
import { EventIds } from '../events/event/eventIds.js';
import { WHOLE_IDS, type WholeIds } from '../events/event/rememberedId.js';
import type { StoredEvent } from '../events/event/storedEvent.js';
import { Appender } from '../events/log/appender.js';
import { AskingAppender } from '../events/log/askingAppender.js';
import { BroadcastLog } from '../events/log/broadcastLog.js';
import type { IdleAppender } from '../events/log/idleAppender.js';
import { TogetherAppender } from '../events/log/togetherAppender.js';
import { Mailboxes } from '../events/mailbox/mailboxes.js';
import { MailCourier } from '../events/mailbox/mailCourier.js';
import { EphemeralSender } from '../events/publish/ephemeralSender.js';
import { EventStatuses } from '../events/publish/eventStatuses.js';
import { Publisher } from '../events/publish/publisher.js';
import { TypeRates } from '../events/publish/typeRates.js';
import { recordOutcomes } from '../events/queue/eventOutcomes.js';
import { EventQueues } from '../events/queue/eventQueues.js';
import { placeOf, QueueOwnership } from '../events/queue/queueOwnership.js';
import { PENALTY } from '../observability/health/notices.js';
import { parseRedisUrl, type RedisClient } from '../redis/connect.js';
import { ClockWatch } from '../registry/time/clockWatch.js';
import { pooledRandom } from '../util/pooledRandom.js';
import type { ClusterParts } from './composeCluster.js';

export type EventsParts = ReturnType<typeof composeEvents>;

/**
 * The path of an event from its publisher through the queue into the log or the mailboxes.
 *
 * @param onMail upwards: events for single users who are connected to this node.
 */
export function composeEvents(cluster: ClusterParts, onMail: (batch: MailBatch) => void) {
  const { settings, nodeId, clock, clusterTime, report, notices, running, keys, installation, connect, redis } =
    cluster;
  const { bus, lease, isServing, oldBuildWatch, recovery } = cluster;
  const catalogues = new Catalogues(settings.eventCatalogue);
  const catalogue = (): EventCatalogue => catalogues.catalogue;
  const roles = (): RoleTable => catalogues.roles;
  const bytes = pooledRandom(randomBytes);
  const onTime = (time: number): void => recovery.hear(time);
  const wholeIds = (): WholeIds =>
    oldBuildWatch.mayRead ? WHOLE_IDS.written : oldBuildWatch.haveWritten ? WHOLE_IDS.read : WHOLE_IDS.no;
  const logParts = { redis, keys, clock, random: bytes, onTime, wholeIds, ...settings };
  const log = new BroadcastLog({ ...logParts, installation });
  const courier = new MailCourier({ bus, clock, report, lease: () => lease.id, deliver: onMail });
  const onAppended = courier.send.bind(courier);
  const mailboxes = new Mailboxes({ ...logParts, onAppended });
  const { idle } = cluster.queueEngine;
  // A script of several slots cannot be run in a Cluster.
  const isCluster = parseRedisUrl(settings.redisUrl).kind === 'cluster';
  const together = new TogetherAppender({
    redis,
    keys,
    clock,
    installation,
    log,
    mailboxes,
    courier,
    lease: () => lease.id,
    idle,
    outcomes: recordOutcomes,
  });
  const appender = isCluster ? new Appender(log, mailboxes) : together;
  const append = (events: readonly StoredEvent[]) => typeRates.counted(events, appender.append(events));
  const asking = new AskingAppender({ append, idle, queueRedis: () => queues.connection, mayAppend: isServing });
  const inOneStep: IdleAppender = {
    appendIfIdle: (events, lane) => typeRates.counted(events, together.appendIfIdle(events, lane)),
  };
  const idleAppender = isCluster || settings.redisQueueUrl !== null ? asking : inOneStep;
  const ids = new EventIds(clock, bytes);
  const typeRates = new TypeRates(catalogue, clock);
  let queueRedis: RedisClient | null = null;
  const queues = new EventQueues(
    {
      engine: cluster.queueEngine,
      keys,
      clock,
      report,
      nodeId,
      ids,
      logRedis: redis,
      wholeIds,
      appender: settings.eventQueue === 'always' ? null : idleAppender,
      append,
      knows: (type) => catalogue().get(type) !== undefined,
      mayAppend: isServing,
      setting: settings.redisQueueUrl === null ? 'REDIS_URL' : 'REDIS_QUEUE_URL',
      connect: (role) => {
        const client = connect(role, settings.redisQueueUrl ?? settings.redisUrl);
        if (role === 'producer' && settings.redisQueueUrl !== null) queueRedis = client;
        return client;
      },
    },
    settings,
  );
  const queueOwnership = new QueueOwnership({
    redis: () => queues.connection,
    key: keys.queueOwner(),
    lease: () => lease.id,
    knows: async (other) => (await redis.hexists(keys.nodes(), other)) === 1,
    of: `${placeOf(settings.redisUrl)}, prefix ${settings.redisPrefix}`,
    at: placeOf(settings.redisQueueUrl ?? settings.redisUrl),
  });
  notices.add(() =>
    queueOwnership.fault === null ? [] : [{ text: queueOwnership.fault, penalty: PENALTY.unhealthy }],
  );
  running.add('the event workers', () => queues.workerFault());
  notices.add(() => (queues.away === null ? [] : [{ text: queues.away, penalty: PENALTY.unhealthy }]));
  const ephemeral = new EphemeralSender({ redis, keys, installation, clock });
  const publisher = new Publisher({ catalogue, queues, log, mailboxes, ephemeral, ids, clock });
  const eventStatuses = new EventStatuses(log, queues);
  const clockWatch = new ClockWatch({
    clusterTime,
    nodeId,
    clients: () => [
      { name: 'main', client: redis },
      ...(queueRedis === null ? [] : [{ name: 'queue', client: queueRedis }]),
    ],
    report,
  });
  notices.add(() => clockWatch.notices());
  return {
    ...cluster,
    clockWatch,
    catalogues,
    catalogue,
    roles,
    log,
    mailboxes,
    typeRates,
    queues,
    queueOwnership,
    ephemeral,
    publisher,
    eventStatuses,
  };
}
