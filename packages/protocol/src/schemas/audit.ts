import { MAX_TIME_LENGTH, MAX_USER_ID_LENGTH, TIME_PATTERN } from './publish.js';
import type { FromSchema, JSONSchema } from './schema.js';

const MAX_AUDIT_PAGE = 100;
export const DEFAULT_AUDIT_PAGE = 50;

/** The query of `GET /audit`. */
export const auditQuerySchema = {
  type: 'object',
  properties: {
    actor: { type: 'string', minLength: 1, maxLength: MAX_USER_ID_LENGTH, description: 'only actions of this user' },
    action: { type: 'string', minLength: 1, maxLength: 64, description: 'only this action' },
    target: { type: 'string', minLength: 1, maxLength: 256, description: 'only actions on this target' },
    since: {
      type: 'string',
      maxLength: MAX_TIME_LENGTH,
      pattern: TIME_PATTERN,
      description: 'RFC 3339; only actions at or after this time',
    },
    limit: { type: 'integer', minimum: 1, maximum: MAX_AUDIT_PAGE, description: `default: ${DEFAULT_AUDIT_PAGE}` },
    cursor: {
      type: 'string',
      maxLength: 41,
      pattern: '^[0-9]{1,20}-[0-9]{1,20}$',
      description: 'next_cursor of the page before',
    },
  },
  additionalProperties: false,
} as const satisfies JSONSchema;
export type AuditQuery = FromSchema<typeof auditQuerySchema>;

/** Outcomes of an admin action. */
export const AUDIT_OUTCOMES = ['done', 'refused', 'unknown'] as const;
export type AuditOutcome = (typeof AUDIT_OUTCOMES)[number];

/** The record of an admin action. */
export const auditRecordSchema = {
  type: 'object',
  properties: {
    id: { type: 'string', description: 'grows with time' },
    at: { type: 'string', description: 'RFC 3339, UTC' },
    actor: { type: 'string', description: 'user id' },
    action: { type: 'string' },
    target: { type: 'string' },
    reason: { type: 'string', description: "the admin's reason; empty: none" },
    details: { type: 'string', description: 'other parameters of the order, as JSON; empty: none' },
    result: { type: 'string', description: 'the result, in words' },
    outcome: {
      enum: AUDIT_OUTCOMES,
      description:
        'refused: nothing was done. unknown: it may have taken effect. It is still running, its node died, or Redis or a node did not answer',
    },
    ended_at: { type: ['string', 'null'], description: 'RFC 3339, UTC; null: no end is on record' },
    ip: { type: 'string' },
    via: { type: 'string', description: 'websocket or rest' },
  },
  required: [
    'id',
    'at',
    'actor',
    'action',
    'target',
    'reason',
    'details',
    'result',
    'outcome',
    'ended_at',
    'ip',
    'via',
  ],
} as const satisfies JSONSchema;
export type AuditRecordView = FromSchema<typeof auditRecordSchema>;

/** Answer of `GET /audit`: the newest first. */
export const auditPageSchema = {
  type: 'object',
  properties: {
    records: { type: 'array', items: auditRecordSchema },
    next_cursor: {
      type: ['string', 'null'],
      description: 'for the next page; a short page may have a next one. null: this is the last page',
    },
  },
  required: ['records', 'next_cursor'],
} as const satisfies JSONSchema;
export type AuditPage = FromSchema<typeof auditPageSchema>;
