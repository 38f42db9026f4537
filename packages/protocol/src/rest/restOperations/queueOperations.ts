import {
  clearQueueSchema,
  JOB_ID_PATTERN,
  jobsPageSchema,
  MAX_JOB_ID_LENGTH,
  queueReasonSchema,
  retryFailedSchema,
} from '../../schemas/queue.js';
import {
  failedRetriedSchema,
  jobsPageReplySchema,
  queueClearedSchema,
  queueJobSchema,
  queueStatusSchema,
  queueSwitchedSchema,
} from '../../schemas/queueReplies.js';
import { jobDeletedSchema, jobRetriedSchema, REST_BASE } from '../rest.js';
import type { RestOperation } from '../restOperation.js';

const params = {
  id: { type: 'string', maxLength: MAX_JOB_ID_LENGTH, pattern: JOB_ID_PATTERN, description: '<queue>.<id>' },
} as const;
const noQuery = { type: 'object', properties: {}, additionalProperties: false } as const;
const reasonBody = { schema: queueReasonSchema, required: false } as const;
const example = { params: { id: 'events-0.1' } };

/** The event queue. */
export const queueOperations = {
  getQueue: {
    method: 'get',
    path: `${REST_BASE}/queue`,
    tag: 'queue',
    summary: 'Shows the state of the event queue',
    permissions: ['admin:queue'],
    query: noQuery,
    answers: { 200: { meaning: 'the state of the queue', schema: queueStatusSchema } },
  },
  clearQueue: {
    method: 'delete',
    path: `${REST_BASE}/queue`,
    tag: 'queue',
    summary: 'Removes jobs from the event queue, optionally filtered',
    description: 'The queue keeps working. Active jobs stay, and so do jobs that are added later.',
    permissions: ['admin:queue_write'],
    query: clearQueueSchema,
    answers: { 200: { meaning: 'which jobs were removed', schema: queueClearedSchema } },
    problems: [409],
    example: { query: { states: ['waiting', 'delayed'], dry_run: true } },
  },
  listJobs: {
    method: 'get',
    path: `${REST_BASE}/queue/jobs`,
    tag: 'queue',
    summary: 'Lists the jobs of one state, page by page',
    description: 'Payloads are masked by the permissions of the caller.',
    permissions: ['admin:queue'],
    query: jobsPageSchema,
    answers: { 200: { meaning: 'a page of jobs', schema: jobsPageReplySchema } },
    example: { query: { state: 'failed', start: 0, end: 19 } },
  },
  getJob: {
    method: 'get',
    path: `${REST_BASE}/queue/jobs/{id}`,
    tag: 'queue',
    summary: 'Shows one job',
    permissions: ['admin:queue'],
    params,
    query: noQuery,
    answers: { 200: { meaning: 'the job', schema: queueJobSchema } },
    problems: [404],
    example,
  },
  deleteJob: {
    method: 'delete',
    path: `${REST_BASE}/queue/jobs/{id}`,
    tag: 'queue',
    summary: 'Deletes one job that no worker has',
    permissions: ['admin:queue_write'],
    params,
    query: queueReasonSchema,
    answers: { 200: { meaning: 'the job is deleted', schema: jobDeletedSchema } },
    problems: [404, 409],
    example: { ...example, query: { reason: 'not needed any more' } },
  },
  retryJob: {
    method: 'post',
    path: `${REST_BASE}/queue/jobs/{id}/retry`,
    tag: 'queue',
    summary: 'Puts one failed job at the end of its queue again',
    permissions: ['admin:queue_control'],
    params,
    body: reasonBody,
    answers: { 200: { meaning: 'the job is waiting again', schema: jobRetriedSchema } },
    problems: [404, 409],
    example: { ...example, body: { reason: 'the receiver is mended' } },
  },
  retryFailedJobs: {
    method: 'post',
    path: `${REST_BASE}/queue/retry-failed`,
    tag: 'queue',
    summary: 'Puts failed jobs at the end of their queues again',
    permissions: ['admin:queue_control'],
    body: { schema: retryFailedSchema, required: false },
    answers: { 200: { meaning: 'what was retried', schema: failedRetriedSchema } },
    problems: [409],
    example: { body: { event_types: ['health_update'], limit: 100 } },
  },
  pauseQueue: {
    method: 'post',
    path: `${REST_BASE}/queue/pause`,
    tag: 'queue',
    summary: 'Stops starting jobs on all nodes until the queue is resumed; publishing continues',
    permissions: ['admin:queue_control'],
    body: reasonBody,
    answers: { 200: { meaning: 'the queue is paused', schema: queueSwitchedSchema } },
    example: { body: { reason: 'the receiver is down' } },
  },
  resumeQueue: {
    method: 'post',
    path: `${REST_BASE}/queue/resume`,
    tag: 'queue',
    summary: 'Ends the pause',
    permissions: ['admin:queue_control'],
    body: reasonBody,
    answers: { 200: { meaning: 'the queue runs again', schema: queueSwitchedSchema } },
    example: { body: { reason: 'the receiver is back' } },
  },
} as const satisfies Readonly<Record<string, RestOperation>>;
