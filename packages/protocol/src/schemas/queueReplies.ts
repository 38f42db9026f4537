import { QUEUE_JOB_STATES } from './queue.js';
import type { FromSchema, JSONSchema } from './schema.js';
import { count, countOrNull, flag, text, textOrNull, texts, time, timeOrNull } from './schemaParts.js';

/** One job carries up to 100 events of one publish. */
const jobsAndEvents = {
  type: 'object',
  properties: { jobs: count, events: count },
  required: ['jobs', 'events'],
} as const satisfies JSONSchema;

const stateCount = {
  type: 'object',
  properties: {
    jobs: count,
    events: count,
    events_estimated: {
      ...flag,
      description: 'true: there are too many jobs to count all their events; estimated from a sample',
    },
  },
  required: ['jobs', 'events', 'events_estimated'],
} as const satisfies JSONSchema;

const stateCounts = {
  type: 'object',
  properties: {
    waiting: stateCount,
    active: stateCount,
    delayed: stateCount,
    failed: stateCount,
    completed: stateCount,
  },
  required: QUEUE_JOB_STATES,
} as const satisfies JSONSchema;

const partition = {
  type: 'object',
  properties: {
    queue: text,
    paused: flag,
    counts: stateCounts,
    oldest_age_ms: { ...countOrNull, description: 'age of the oldest job that is due; null: no job is due' },
    active_on: { ...textOrNull, description: 'the node that works on a job of it' },
  },
  required: ['queue', 'paused', 'counts', 'oldest_age_ms', 'active_on'],
} as const satisfies JSONSchema;

const workerLane = {
  type: 'object',
  properties: {
    queue: text,
    processed: { ...count, description: 'events, since the node started' },
    failed: { ...count, description: 'events, since the node started' },
    direct: { ...count, description: 'events published at the node that were appended at once, past the queue' },
    queued: { ...count, description: 'events published at the node that became jobs' },
    retrying: {
      type: ['object', 'null'],
      properties: { since: time, attempts: count },
      required: ['since', 'attempts'],
      description: 'the job that the worker is retrying because a dependency is not available',
    },
  },
  required: ['queue', 'processed', 'failed', 'direct', 'queued', 'retrying'],
} as const satisfies JSONSchema;

const worker = {
  type: 'object',
  properties: {
    node_id: text,
    standing_aside: { ...flag, description: 'true: the node cannot deliver, so its workers take no jobs' },
    processed_per_minute: count,
    failed_per_minute: count,
    lanes: { type: 'array', items: workerLane },
  },
  required: ['node_id', 'standing_aside', 'processed_per_minute', 'failed_per_minute', 'lanes'],
} as const satisfies JSONSchema;

const clearing = {
  type: ['object', 'null'],
  properties: { by: text, node_id: text, started_at: time, cleared_jobs: count, cleared_events: count },
  required: ['by', 'node_id', 'started_at', 'cleared_jobs', 'cleared_events'],
  description: 'the running clear; null: none',
} as const satisfies JSONSchema;

/** Why a payload is not shown. */
const WITHHELD_REASONS = ['permission', 'too_large'] as const;

const jobEvent = {
  type: 'object',
  properties: {
    id: text,
    type: text,
    priority: text,
    severity: text,
    timestamp: text,
    data: { type: 'object', description: 'without the fields that the caller may not see' },
    metadata: { type: 'object' },
    withheld: { enum: WITHHELD_REASONS, description: 'why data is missing' },
  },
  required: ['id', 'type'],
} as const satisfies JSONSchema;

export const queueJobSchema = {
  type: 'object',
  properties: {
    id: { ...text, description: '<queue>.<id>' },
    queue: text,
    state: { enum: QUEUE_JOB_STATES },
    event_type: text,
    event_count: { ...count, description: 'events that were published together' },
    publisher: { ...textOrNull, description: 'null: withheld' },
    ordering_key: { ...textOrNull, description: 'null: withheld' },
    added_at: time,
    due_at: time,
    started_at: timeOrNull,
    finished_at: timeOrNull,
    node_id: { ...textOrNull, description: 'that took it last' },
    failed_reason: textOrNull,
    bytes: { ...count, description: 'of its payload' },
    events: { type: 'array', items: jobEvent },
    withheld: { enum: WITHHELD_REASONS, description: 'why events is empty' },
  },
  required: [
    'id',
    'queue',
    'state',
    'event_type',
    'event_count',
    'publisher',
    'ordering_key',
    'added_at',
    'due_at',
    'started_at',
    'finished_at',
    'node_id',
    'failed_reason',
    'bytes',
    'events',
  ],
} as const satisfies JSONSchema;
export type QueueJob = FromSchema<typeof queueJobSchema>;

/** A page of the jobs of one state over all queues. */
export const jobsPageReplySchema = {
  type: 'object',
  properties: {
    state: { enum: QUEUE_JOB_STATES },
    start: count,
    end: { ...count, description: 'present if include asked for it' },
    total: { ...count, description: 'jobs in this state' },
    jobs: { type: 'array', items: queueJobSchema },
  },
  required: ['state', 'start', 'end', 'total', 'jobs'],
} as const satisfies JSONSchema;
export type JobsPage = FromSchema<typeof jobsPageReplySchema>;

export const queueStatusSchema = {
  type: 'object',
  properties: {
    generated_at: time,
    queue_size: { ...count, description: 'jobs that are waiting, delayed or active' },
    queue_max: { ...count, description: 'EVENT_QUEUE_MAX' },
    counts: stateCounts,
    partitions: { type: 'array', items: partition },
    oldest_age_ms: countOrNull,
    paused: { ...flag, description: 'true: at least one queue is paused; see partitions' },
    workers: { type: 'array', items: worker },
    processed_per_minute: { ...count, description: 'events in the last minute, of all nodes that answered' },
    failed_per_minute: { ...count, description: 'events in the last minute, of all nodes that answered' },
    clearing,
    missing_nodes: { ...texts, description: 'nodes that did not answer in time' },
    jobs: jobsPageReplySchema,
  },
  required: [
    'generated_at',
    'queue_size',
    'queue_max',
    'counts',
    'partitions',
    'oldest_age_ms',
    'paused',
    'workers',
    'processed_per_minute',
    'failed_per_minute',
    'clearing',
    'missing_nodes',
  ],
} as const satisfies JSONSchema;
export type QueueStatusReport = FromSchema<typeof queueStatusSchema>;

export const queueClearedSchema = {
  type: 'object',
  properties: {
    cleared_events: count,
    cleared_jobs: count,
    by_state: {
      type: 'object',
      properties: {
        waiting: jobsAndEvents,
        delayed: jobsAndEvents,
        failed: jobsAndEvents,
        completed: jobsAndEvents,
      },
      required: [],
      description: 'the states that were to be cleared',
    },
    skipped_active: { ...count, description: 'matching jobs that were active, and stay' },
    dry_run: { ...flag, description: 'true: the counts are what would have been cleared' },
    complete: { ...flag, description: 'false: there was not enough time in one request; repeat it for the remainder' },
    took_ms: count,
    cleared_at: time,
  },
  required: [
    'cleared_events',
    'cleared_jobs',
    'by_state',
    'skipped_active',
    'dry_run',
    'complete',
    'took_ms',
    'cleared_at',
  ],
} as const satisfies JSONSchema;
export type QueueCleared = FromSchema<typeof queueClearedSchema>;

export const failedRetriedSchema = {
  type: 'object',
  properties: {
    retried_jobs: count,
    retried_events: count,
    not_failed: { ...texts, description: 'given ids of jobs that are not in the state failed' },
    remaining_failed: { ...count, description: 'failed jobs that are left' },
    complete: { ...flag, description: 'false: there was not enough time in one request; repeat it for the remainder' },
    retried_at: time,
  },
  required: ['retried_jobs', 'retried_events', 'not_failed', 'remaining_failed', 'complete', 'retried_at'],
} as const satisfies JSONSchema;
export type FailedRetried = FromSchema<typeof failedRetriedSchema>;

export const queueSwitchedSchema = {
  type: 'object',
  properties: { paused: flag, queues: texts, changed_at: time },
  required: ['paused', 'queues', 'changed_at'],
} as const satisfies JSONSchema;
export type QueueSwitched = FromSchema<typeof queueSwitchedSchema>;
