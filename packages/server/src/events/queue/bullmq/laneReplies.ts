import type { QueueJobState } from '@unified-ws/protocol';
import type { LaneStatus, StateCount, StoredJob } from '../queueEngine.js';
import { eventCount } from './eventCount.js';

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
