import type { EventRecords } from '../../admin/events/eventRecords.js';
import type { QueueAdmin } from '../../admin/queue/queueAdmin.js';
import { actorOf, viewerOf } from '../actor.js';
import type { Handlers } from '../dispatcher.js';

type QueueMessage =
  | 'get_event_queue_status'
  | 'list_events'
  | 'clear_event_queue'
  | 'retry_failed_events'
  | 'pause_event_queue'
  | 'resume_event_queue';

/** Admin operations on the event queue. */
export function queueHandlers(queueAdmin: QueueAdmin, eventRecords: EventRecords): Pick<Handlers, QueueMessage> {
  return {
    get_event_queue_status: (connection, { jobs }) => queueAdmin.read(jobs, viewerOf(connection)),
    list_events: (connection, request) => eventRecords.list(request, viewerOf(connection)),
    clear_event_queue: (connection, request) => queueAdmin.clear(request, actorOf(connection)),
    retry_failed_events: (connection, request) => queueAdmin.retryFailed(request, actorOf(connection)),
    pause_event_queue: (connection, { reason }) => queueAdmin.pause(reason, actorOf(connection)),
    resume_event_queue: (connection, { reason }) => queueAdmin.resume(reason, actorOf(connection)),
  };
}
