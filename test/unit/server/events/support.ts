import { randomBytes } from 'node:crypto';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { type EventCatalogue, loadCatalogue } from '@unified-ws/server/events/catalogue/eventCatalogue';
import { EventIds } from '@unified-ws/server/events/event/eventIds';
import { DEFAULT_WINDOW_MS } from '@unified-ws/server/events/event/rememberedId';
import type { StoredEvent } from '@unified-ws/server/events/event/storedEvent';
import { Appender } from '@unified-ws/server/events/log/appender';
import { AskingAppender } from '@unified-ws/server/events/log/askingAppender';
import { type AppendResult, BroadcastLog, type LogEntry } from '@unified-ws/server/events/log/broadcastLog';
import { TogetherAppender } from '@unified-ws/server/events/log/togetherAppender';
import { type AppendedMail, Mailboxes } from '@unified-ws/server/events/mailbox/mailboxes';
import { EphemeralSender } from '@unified-ws/server/events/publish/ephemeralSender';
import { type PublishedBy, Publisher } from '@unified-ws/server/events/publish/publisher';
import { bullmqEngine } from '@unified-ws/server/events/queue/bullmq/bullmqEngine';
import { recordOutcomes } from '@unified-ws/server/events/queue/eventOutcomes';
import { EventQueues } from '@unified-ws/server/events/queue/eventQueues';
import { createRedis, parseRedisUrl, type RedisClient } from '@unified-ws/server/redis/connect';
import { Installation } from '@unified-ws/server/redis/installation';
import { Keys } from '@unified-ws/server/redis/keys';
import type { Settings } from '@unified-ws/server/settings/settings';
import { systemClock } from '@unified-ws/server/util/clock';

/** As `composeCore.ts` names it. */
export const ENGINE = bullmqEngine;
export const COMMAND_TIMEOUT_MS = 500;
export type HistoryLimits = Pick<Settings, 'historySize' | 'historyBytes' | 'historyTtlMs'>;

export const HISTORY: HistoryLimits = { historySize: 100_000, historyBytes: 64 * 1024 * 1024, historyTtlMs: 3_600_000 };
export const MAILBOX = { mailboxSize: 100, mailboxBytes: 4 * 1024 * 1024, mailboxTtlMs: 86_400_000 };
/** Of the nodes of `startEventNode`. */
const OWN_LEASE = 'node.own';
export const SERVICE: PublishedBy = { userId: 'service-1', permissions: new Set(['events:publish']) };

export interface EventNodeOptions {
  readonly partitions?: number;
  readonly maxJobs?: number;
  readonly stallMs?: number;
  /** Where the workers find Redis; default: where all else does. */
  readonly workerUrl?: string;
  readonly history?: Partial<HistoryLimits>;
  readonly catalogue?: EventCatalogue;
  readonly mayAppend?: () => boolean;
  /** Runs before an append reaches the log. */
  readonly beforeAppend?: (events: readonly StoredEvent[]) => Promise<void>;
  readonly workers?: boolean;
  /** Appends past the queue: in one step, or the queue's Redis asked first. Default: every event is a job. */
  readonly direct?: 'together' | 'asking';
  readonly nodeId?: string;
}

/** The event path of one node: publisher, queues, workers, log. */
export interface EventNode {
  readonly queues: EventQueues;
  readonly log: BroadcastLog;
  readonly mailboxes: Mailboxes;
  /** What was appended to mailboxes, for the nodes of their owners. */
  readonly mail: readonly AppendedMail[];
  readonly publisher: Publisher;
  readonly command: RedisClient;
  readonly keys: Keys;
  /** What went to `report`, newest last. */
  readonly reports: { readonly error: unknown; readonly where: string }[];
  stop(): Promise<void>;
}

export async function startEventNode(url: string, options: EventNodeOptions = {}): Promise<EventNode> {
  const reports: { error: unknown; where: string }[] = [];
  const report = (error: unknown, where: string): void => {
    reports.push({ error, where });
  };
  const connect = (role: 'command' | 'producer' | 'worker'): RedisClient =>
    createRedis(parseRedisUrl((role === 'worker' && options.workerUrl) || url), role, {
      commandTimeoutMs: COMMAND_TIMEOUT_MS,
      name: `test-${role}`,
    });
  const command = connect('command');
  command.on('error', (error: unknown) => report(error, 'command'));
  await command.connect();
  const keys = new Keys('uws');
  const log = new BroadcastLog({ redis: command, keys, random: randomBytes, ...HISTORY, ...options.history });
  const mail: AppendedMail[] = [];
  const onAppended = (appended: AppendedMail): void => {
    mail.push(appended);
  };
  const mailboxes = new Mailboxes({ redis: command, keys, random: randomBytes, ...MAILBOX, onAppended });
  const appender = new Appender(log, mailboxes);
  const mayAppend = options.mayAppend ?? (() => true);
  const append = async (events: readonly StoredEvent[]): Promise<AppendResult> => {
    await options.beforeAppend?.(events);
    return appender.append(events);
  };
  const { idle } = ENGINE;
  const together = new TogetherAppender({
    redis: command,
    keys,
    clock: systemClock,
    installation: new Installation('test'),
    log,
    mailboxes,
    courier: { deliver: onAppended },
    lease: () => OWN_LEASE,
    idle,
    outcomes: recordOutcomes,
  });
  const asking = new AskingAppender({ append, idle, queueRedis: () => queues.connection, mayAppend });
  const idleAppender = { together, asking };
  const catalogue = options.catalogue ?? loadCatalogue();
  const ids = new EventIds(systemClock, randomBytes);
  const queues = new EventQueues(
    {
      engine: ENGINE,
      keys,
      ids,
      logRedis: command,
      setting: 'REDIS_URL',
      clock: systemClock,
      report,
      nodeId: options.nodeId ?? 'node-1',
      connect,
      knows: (type) => catalogue.get(type) !== undefined,
      mayAppend,
      append,
      appender: options.direct === undefined ? null : idleAppender[options.direct],
    },
    {
      eventQueuePartitions: options.partitions ?? 2,
      eventQueueMax: options.maxJobs ?? 100_000,
      workerStallMs: options.stallMs ?? 15_000,
      idempotencyWindowMs: DEFAULT_WINDOW_MS,
    },
  );
  try {
    await queues.start();
    if (options.workers !== false) await queues.startWorkers();
  } catch (error) {
    await queues.close();
    command.disconnect();
    throw error;
  }
  const ephemeral = new EphemeralSender({ redis: command, keys, clock: systemClock });
  const publisher = new Publisher({
    catalogue: () => catalogue,
    queues,
    log,
    mailboxes,
    ephemeral,
    ids,
    clock: systemClock,
  });
  return {
    queues,
    log,
    mailboxes,
    mail,
    publisher,
    command,
    keys,
    reports,
    stop: async () => {
      await queues.close();
      command.disconnect();
    },
  };
}

export function storedEvent(id: string, data: Record<string, unknown> = {}): StoredEvent {
  return {
    id,
    type: 'zone_updated',
    data,
    timestamp: '2026-01-01T00:00:00.000Z',
    priority: 'normal',
    category: 'dns',
    severity: 'info',
  };
}

/** All that is in the log, in order. */
export async function logged(log: BroadcastLog): Promise<LogEntry[]> {
  const { offset } = await log.head();
  return log.read(0, offset, 1_000_000);
}

/** Waits until `condition` holds; fails with `what` when it does not in time. */
export async function until(what: string, condition: () => boolean | Promise<boolean>, ms = 15_000): Promise<void> {
  const deadline = Date.now() + ms;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`not within ${ms} ms: ${what}`);
    await sleep(5);
  }
}

/** Turns of the event loop until `work` is settled: what waits for nothing takes few of them, however slow the machine is. */
export async function turnsOf(work: Promise<unknown>): Promise<number> {
  let turns = 0;
  let settled = false;
  const end = (): void => {
    settled = true;
  };
  work.then(end, end);
  for (; !settled; turns += 1) await nextTurn();
  return turns;
}

/** The error with which `work` fails. */
export async function failure(work: Promise<unknown>): Promise<unknown> {
  try {
    await work;
  } catch (error) {
    return error;
  }
  throw new Error('it was expected to fail');
}
