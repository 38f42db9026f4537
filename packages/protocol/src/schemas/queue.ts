import { MAX_EVENT_TYPE_LENGTH } from './publish.js';
import type { FromSchema, JSONSchema } from './schema.js';

/** States of a job. `waiting`: due, and started in turn; `delayed`: not due yet. */
export const QUEUE_JOB_STATES = ['waiting', 'active', 'delayed', 'failed', 'completed'] as const;
export type QueueJobState = (typeof QUEUE_JOB_STATES)[number];

/** States that `clear_event_queue` can clear; never active jobs. */
const CLEARABLE_STATES = ['waiting', 'delayed', 'failed', 'completed'] as const;
export type ClearableState = (typeof CLEARABLE_STATES)[number];
/** The states that are cleared by default: everything still to be delivered. Failed jobs are kept for inspection. */
export const DEFAULT_CLEARED_STATES = ['waiting', 'delayed'] as const satisfies readonly ClearableState[];

/** A job's id on the wire: `<queue>.<id>` (Q3). */
export const JOB_ID_PATTERN = '^events-([0-9]{1,4}|urgent)\\.[A-Za-z0-9_-]{1,128}$';
export const MAX_JOB_ID_LENGTH = 142;
/** Maximum number of jobs of a page. */
export const MAX_JOBS_PAGE = 100;
/** Jobs of a page without an `end`. */
export const DEFAULT_JOBS_PAGE = 20;
const MAX_JOB_INDEX = 10_000_000;
const MAX_FILTERED_TYPES = 200;
/** Maximum number of jobs that one request retries, also without a limit. */
const MAX_RETRIED_JOBS = 1000;
export const DEFAULT_RETRIED_JOBS = 100;
const MAX_RETRIED_IDS = 100;
/** Ten years. */
const MAX_AGE_MS = 315_360_000_000;
const MAX_ADMIN_REASON_LENGTH = 200;

/** The admin's reason, for the audit record. */
const reason = { type: 'string', maxLength: MAX_ADMIN_REASON_LENGTH, description: 'for the audit record' } as const;
const eventTypes = {
  type: 'array',
  items: { type: 'string', minLength: 1, maxLength: MAX_EVENT_TYPE_LENGTH },
  minItems: 1,
  maxItems: MAX_FILTERED_TYPES,
  description: 'only jobs of these types; default: of all',
} as const satisfies JSONSchema;

/** A page of jobs: `start` and `end` are indexes in the order of the state, both included. */
export const jobsPageSchema = {
  type: 'object',
  properties: {
    state: { enum: QUEUE_JOB_STATES },
    start: { type: 'integer', minimum: 0, maximum: MAX_JOB_INDEX, description: 'default: 0' },
    end: {
      type: 'integer',
      minimum: 0,
      maximum: MAX_JOB_INDEX,
      description: `included; default: start + ${DEFAULT_JOBS_PAGE - 1}, at most start + ${MAX_JOBS_PAGE - 1}`,
    },
  },
  required: ['state'],
  additionalProperties: false,
} as const satisfies JSONSchema;
export type JobsPageRequest = FromSchema<typeof jobsPageSchema>;

/** `get_event_queue_status`. */
export const queueStatusRequestSchema = {
  type: 'object',
  properties: { jobs: jobsPageSchema },
  additionalProperties: false,
} as const satisfies JSONSchema;

/** `clear_event_queue`, and the query of `DELETE /queue`. */
export const clearQueueSchema = {
  type: 'object',
  properties: {
    states: {
      type: 'array',
      items: { enum: CLEARABLE_STATES },
      minItems: 1,
      maxItems: CLEARABLE_STATES.length,
      description: `default: ${DEFAULT_CLEARED_STATES.join(' and ')}`,
    },
    event_types: eventTypes,
    older_than_ms: {
      type: 'integer',
      minimum: 0,
      maximum: MAX_AGE_MS,
      description: 'only jobs that were added at least so long ago',
    },
    dry_run: { type: 'boolean', description: 'true: count only, remove nothing' },
    reason,
  },
  additionalProperties: false,
} as const satisfies JSONSchema;
export type ClearQueueRequest = FromSchema<typeof clearQueueSchema>;

/** `retry_failed_events`, and the body of `POST /queue/retry-failed`. */
export const retryFailedSchema = {
  type: 'object',
  properties: {
    ids: {
      type: 'array',
      items: { type: 'string', maxLength: MAX_JOB_ID_LENGTH, pattern: JOB_ID_PATTERN },
      minItems: 1,
      maxItems: MAX_RETRIED_IDS,
      description: 'these jobs; not with event_types or limit',
    },
    event_types: eventTypes,
    limit: {
      type: 'integer',
      minimum: 1,
      maximum: MAX_RETRIED_JOBS,
      description: `jobs, those that failed first; default: ${DEFAULT_RETRIED_JOBS}`,
    },
    reason,
  },
  additionalProperties: false,
} as const satisfies JSONSchema;
export type RetryFailedRequest = FromSchema<typeof retryFailedSchema>;

/** `pause_event_queue`, `resume_event_queue`, and the bodies of routes that take only a reason. */
export const queueReasonSchema = {
  type: 'object',
  properties: { reason },
  additionalProperties: false,
} as const satisfies JSONSchema;
