import type { QueueJobState } from '@unified-ws/protocol';
import type { JobData } from '../jobBatcher.js';
import { eventCount } from './eventCount.js';

export interface StateCount {
  readonly jobs: number;
  readonly events: number;
  /** Whether `events` was reckoned from a sample. */
  readonly estimated: boolean;
}

/** How one queue is. Times are wall-clock ms. */
export interface LaneStatus {
  readonly paused: boolean;
  readonly counts: Readonly<Record<QueueJobState, StateCount>>;
  /** When the oldest job that is due was added, or became due; null: none is due. */
  readonly oldestDueAt: number | null;
  /** The node whose worker has a job; null: none has. */
  readonly activeOn: string | null;
}

/** A job as it lies in Redis. Times are wall-clock ms. */
export interface StoredJob {
  readonly id: string;
  readonly state: QueueJobState;
  readonly type: string;
  /** Events that it was made with. */
  readonly eventCount: number;
  readonly addedAt: number;
  readonly dueAt: number;
  readonly startedAt: number | null;
  readonly finishedAt: number | null;
  readonly failedReason: string | null;
  /** The node that took it last. */
  readonly nodeId: string | null;
  /** Of its payload. */
  readonly bytes: number;
  /** Null: it is larger than what was asked for. What it holds came from outside: it may be anything. */
  readonly data: Partial<JobData> | null;
}

type Oldest = readonly [] | readonly [timestamp: string, opts: string, processedBy: string];

/** Of laneStatus.lua. */
export type StatusReply = readonly [
  paused: number,
  counts: readonly (readonly [jobs: number, looked: number, events: number])[],
  waiting: Oldest,
  active: Oldest,
];

type Field = string | null | undefined;

/** Of lanePage.lua and laneJob.lua. */
export type JobReply = readonly [
  bytes: number,
  fields: readonly [
    name?: Field,
    timestamp?: Field,
    opts?: Field,
    processedOn?: Field,
    finishedOn?: Field,
    failedReason?: Field,
    processedBy?: Field,
    data?: Field,
  ],
];

/** In which laneStatus.lua is given the keys. */
export const STATUS_ORDER = [
  'waiting',
  'active',
  'delayed',
  'failed',
  'completed',
] as const satisfies readonly QueueJobState[];

export function readStatus([paused, counts, waiting, active]: StatusReply): LaneStatus {
  const due = [waiting, active].flatMap((job) => (job.length === 0 ? [] : [dueAt(job[0], asObject(parsed(job[1])))]));
  const byState = STATUS_ORDER.map((state, index) => [state, stateCount(counts[index] ?? [0, 0, 0])] as const);
  return {
    paused: paused === 1,
    counts: Object.fromEntries(byState) as Record<QueueJobState, StateCount>,
    oldestDueAt: due.length === 0 ? null : Math.min(...due),
    activeOn: active[2] || null,
  };
}

export function readJob(id: string, state: QueueJobState, [bytes, fields]: JobReply): StoredJob {
  const [name, timestamp, opts, processedOn, finishedOn, failedReason, processedBy, data] = fields;
  const options = asObject(parsed(opts ?? ''));
  return {
    id,
    state,
    type: name ?? '',
    eventCount: eventCount(options),
    addedAt: Number(timestamp ?? 0),
    dueAt: dueAt(timestamp ?? '0', options),
    startedAt: processedOn ? Number(processedOn) : null,
    finishedAt: finishedOn ? Number(finishedOn) : null,
    failedReason: failedReason ?? null,
    nodeId: processedBy || null,
    bytes,
    data: typeof data === 'string' ? asObject(parsed(data)) : null,
  };
}

function stateCount([jobs, looked, events]: readonly [number, number, number]): StateCount {
  const estimated = looked < jobs;
  return { jobs, events: estimated ? Math.round((events / Math.max(1, looked)) * jobs) : events, estimated };
}

function dueAt(timestamp: string, options: object): number {
  const { delay } = options as { readonly delay?: unknown };
  return Number(timestamp) + (typeof delay === 'number' ? delay : 0);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Who puts something else than JSON there shall see a job without payload, not an error for the whole page.
    return null;
  }
}

function asObject(value: unknown): object {
  return typeof value === 'object' && value !== null ? value : {};
}
