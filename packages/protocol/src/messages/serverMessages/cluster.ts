import { PRIORITIES } from '../../events/catalogue.js';
import { allConnectionsSchema } from '../../schemas/connections.js';
import {
  failedRetriedSchema,
  queueClearedSchema,
  queueStatusSchema,
  queueSwitchedSchema,
} from '../../schemas/queueReplies.js';
import { rolloutDecisionSchema } from '../../schemas/rollout.js';
import { flag, text, textOrNull, time } from '../../schemas/schemaParts.js';
import { connectionStatsSchema, routerStatsSchema, systemMetricsSchema } from '../../schemas/statsReplies.js';
import type { ServerMessageDefinition } from './definition.js';

/** What became of the order to disconnect a user (G4). */
const DISCONNECT_RESULTS = ['closed', 'not_connected', 'node_unreachable'] as const;

/** What concerns more than the connection: publishers, admins and the roll-out are told it. */
export const clusterMessages = {
  user_disconnected: {
    meaning: 'what became of the order to disconnect a user',
    data: {
      type: 'object',
      properties: {
        user_id: text,
        result: { enum: DISCONNECT_RESULTS },
        node_id: { ...textOrNull, description: 'of the owner; null when the user was not connected' },
        reason: textOrNull,
        legacy_closed: {
          type: 'integer',
          minimum: 1,
          description: 'of the connections that were closed, those to legacy endpoints; absent: none',
        },
        took_ms: { type: 'number', minimum: 0 },
      },
      required: ['user_id', 'result', 'node_id', 'reason', 'took_ms'],
    },
  },
  event_accepted: {
    meaning:
      'the event is in the queue and survives the death of every node; an ephemeral one is on its way to whoever is connected',
    data: {
      type: 'object',
      properties: {
        event_id: { ...text, description: 'as it stands in the event' },
        queue: {
          ...text,
          description: 'the queue that took it; several are joined by commas; ephemeral: none',
        },
        duplicate: { ...flag, description: 'true: the id was known, nothing was added' },
        payload_differs: {
          ...flag,
          description:
            'true: a duplicate whose payload is another than the first one under this id; it was not published',
        },
      },
      required: ['event_id', 'queue', 'duplicate', 'payload_differs'],
    },
  },
  event_queue_status: { meaning: 'how the event queue is', data: queueStatusSchema },
  event_queue_cleared: { meaning: 'what was taken away from the event queue', data: queueClearedSchema },
  failed_events_retried: { meaning: 'what became of the order to retry failed jobs', data: failedRetriedSchema },
  event_queue_paused: { meaning: 'no queue begins a job any more', data: queueSwitchedSchema },
  event_queue_resumed: { meaning: 'the queues go on', data: queueSwitchedSchema },
  connection_stats: { meaning: 'the connections of the cluster in numbers', data: connectionStatsSchema },
  router_stats: { meaning: 'the way of the events through the cluster in numbers', data: routerStatsSchema },
  system_metrics: { meaning: 'the processes and machines of the cluster in numbers', data: systemMetricsSchema },
  rollout_changed: {
    meaning:
      'what the user is assigned to while the legacy endpoints are served: sent when it changes, and after hello to whoever is assigned to the legacy endpoints',
    data: rolloutDecisionSchema,
  },
  all_connections: {
    meaning: 'a page of the open connections; whoever is connected throughout comes in exactly one of the pages',
    data: allConnectionsSchema,
  },
  admin_broadcast_sent: {
    meaning: 'the announcement is in the queue and survives the death of every node',
    data: {
      type: 'object',
      properties: {
        event_id: { ...text, description: 'of the event admin_broadcast' },
        message: text,
        priority: { enum: PRIORITIES },
        sent_at: time,
      },
      required: ['event_id', 'message', 'priority', 'sent_at'],
    },
  },
} as const satisfies Readonly<Record<string, ServerMessageDefinition>>;
