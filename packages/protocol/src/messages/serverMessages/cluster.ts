import { PRIORITIES } from '../../events/catalogue.js';
import { allConnectionsSchema } from '../../schemas/connections.js';
import { eventListSchema } from '../../schemas/eventRecords.js';
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

/** Results of an order to disconnect a user (G4). */
const DISCONNECT_RESULTS = ['closed', 'not_connected', 'node_unreachable'] as const;

/** Messages about more than the connection: for publishers, admins and the roll-out. */
export const clusterMessages = {
  user_disconnected: {
    meaning: 'the result of disconnecting a user',
    data: {
      type: 'object',
      properties: {
        user_id: text,
        result: { enum: DISCONNECT_RESULTS },
        node_id: { ...textOrNull, description: "node of the user's connection; null when the user was not connected" },
        reason: textOrNull,
        legacy_closed: {
          type: 'integer',
          minimum: 1,
          description: 'how many of the closed connections were legacy ones; absent: none',
        },
        took_ms: { type: 'number', minimum: 0 },
      },
      required: ['user_id', 'result', 'node_id', 'reason', 'took_ms'],
    },
  },
  event_accepted: {
    meaning:
      'the event is in the queue and survives the death of every node; an ephemeral event was sent to the connected users',
    data: {
      type: 'object',
      properties: {
        event_id: { ...text, description: 'as in the event' },
        queue: {
          ...text,
          description: 'the queue that took it; several are joined by commas; ephemeral: none',
        },
        duplicate: { ...flag, description: 'true: the id is known, so nothing was added' },
        payload_differs: {
          ...flag,
          description: 'true: a different payload was published under this id before; this one was not published',
        },
      },
      required: ['event_id', 'queue', 'duplicate', 'payload_differs'],
    },
  },
  event_queue_status: { meaning: 'the state of the event queue', data: queueStatusSchema },
  event_list: { meaning: 'a page of the events that ended lately', data: eventListSchema },
  event_queue_cleared: { meaning: 'which jobs were removed from the event queue', data: queueClearedSchema },
  failed_events_retried: { meaning: 'which failed jobs are retried', data: failedRetriedSchema },
  event_queue_paused: { meaning: 'the event queue is paused', data: queueSwitchedSchema },
  event_queue_resumed: { meaning: 'the event queue runs again', data: queueSwitchedSchema },
  connection_stats: { meaning: 'figures about the connections of the cluster', data: connectionStatsSchema },
  router_stats: { meaning: 'figures about the events in the cluster', data: routerStatsSchema },
  system_metrics: { meaning: 'figures about the processes and machines of the cluster', data: systemMetricsSchema },
  rollout_changed: {
    meaning:
      'the endpoint that the roll-out assigns to the user. Sent when it changes, and after connection_established to a user who is assigned to the legacy endpoints',
    data: rolloutDecisionSchema,
  },
  all_connections: {
    meaning: 'a page of the open connections; a connection that stays open is on exactly one page',
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
