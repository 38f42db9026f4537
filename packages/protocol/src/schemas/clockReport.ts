import type { JSONSchema } from './schema.js';

/** How far the clocks that a node sees are from cluster time (docs/OPERATIONS.md, "Clocks"). */
export const clockSchema = {
  type: 'object',
  properties: {
    offset_ms: {
      type: ['integer', 'null'],
      description: 'wall clock of the node minus cluster time; null: not known yet',
    },
    redis_offset_ms: {
      type: 'object',
      additionalProperties: { type: 'integer' },
      description: 'the clock of each Redis minus cluster time; of a Redis Cluster each master by its address',
    },
  },
  required: ['offset_ms', 'redis_offset_ms'],
} as const satisfies JSONSchema;
