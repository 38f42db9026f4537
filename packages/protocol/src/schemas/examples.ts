import { DEFAULT_PREFERENCES } from '../events/preferences.js';
import type { ClientData, ClientMessageType } from '../messages/clientMessages.js';
import type { EventFrame } from '../messages/envelope.js';
import type { ServerData, ServerMessageType } from '../messages/serverMessages.js';

const time = '2026-01-01T12:00:00.000Z';
const positions = { broadcast: '5f3a.17.c2Vl', user: '9b1c.4.dGFn' };

/** Data of each client message, for the documents and their tests. */
export const clientExamples: { readonly [T in ClientMessageType]: ClientData<T> } = {
  ping: {},
  pong: { connection_id: '7Jw3kPZ0' },
  authenticate: { token: '<token>', client: 'k3v9.1', resume: `${positions.broadcast}~${positions.user}` },
  subscribe_events: { event_types: ['health_update', 'zone_updated'] },
  unsubscribe_events: { event_types: ['zone_updated'] },
  subscribe_category: { categories: ['health'] },
  unsubscribe_category: { categories: ['health'] },
  refresh_token: { token: '<token>' },
  get_subscription_info: {},
  get_connection_status: {},
  health_check: {},
  ack: { user: positions.user },
  set_message_preferences: { preferences: { priority_filter: 'high', max_message_rate: 20 } },
  get_message_preferences: {},
  disconnect_user: { user_id: 'user-1', reason: 'maintenance' },
  publish_event: { event_type: 'health_update', data: { status: 'ok' } },
  get_event_queue_status: { jobs: { state: 'failed', start: 0, end: 19 } },
  list_events: { event_type: 'health_update', limit: 50 },
  clear_event_queue: { states: ['waiting', 'delayed'], dry_run: true },
  retry_failed_events: { event_types: ['health_update'], limit: 100 },
  pause_event_queue: { reason: 'the receiver is down' },
  resume_event_queue: { reason: 'the receiver is back' },
  get_connection_stats: {},
  get_router_stats: {},
  get_system_metrics: {},
  get_all_connections: { limit: 50, filter: { role: 'user', healthy: true } },
  broadcast_admin_message: { message: 'Maintenance at noon', priority: 'high' },
};

/** Data of server messages. Reports are missing, because they are too long for the docs. */
export const serverExamples: { readonly [T in ServerMessageType]?: ServerData<T> } = {
  connection_established: {
    connection_id: '7Jw3kPZ0',
    user_id: 'user-1',
    username: 'Ada',
    is_admin: false,
    roles: ['user'],
    permissions: ['events:receive'],
    subscriptions: ['notification_sent', 'custom_event'],
    connected_at: time,
    node_id: 'node-1',
    fence: 1_767_268_800_000,
    resume: { broadcast: 'full', user: 'fresh' },
    positions,
    heartbeat_interval_ms: 25_000,
    limits: { max_payload: 65_536, max_subscriptions: 200, message_rate: 100, message_burst: 200 },
    expires_at: '2026-01-01T13:00:00.000Z',
    protocol: '1',
  },
  heartbeat: { server_time: time, positions, connection_healthy: true },
  error: {
    message: 'This needs the permission admin:stats.',
    error_code: 'PERMISSION_DENIED',
    timestamp: time,
    recoverable: true,
    details: { permission: 'admin:stats' },
  },
  validation_error: {
    message: 'The data of subscribe_events are not valid.',
    error_code: 'VALIDATION_ERROR',
    timestamp: time,
    recoverable: true,
    errors: [{ path: '/event_types', message: 'must be array' }],
  },
  server_draining: { reconnect_after_ms: 1500 },
  gap: { scope: 'broadcast', from: positions.broadcast, to: '5f3a.29.bW9y', reason: 'trimmed' },
  pong: { timestamp: time, connection_health: true, uptime: 12.5 },
  subscription_updated: {
    subscriptions: ['health_update', 'notification_sent'],
    errors: [{ event_type: 'audit_event', error: 'permission_denied' }],
    updated_at: time,
  },
  category_subscription_updated: {
    categories: ['health'],
    subscriptions: ['health_update', 'health_alert'],
    errors: [],
    updated_at: time,
  },
  token_refreshed: { expires_at: time, permissions: ['events:receive'], removed_subscriptions: [] },
  token_expiring: { expires_at: time },
  subscription_info: {
    subscriptions: ['health_update'],
    categories: ['health'],
    subscribed_categories: [],
    available: ['health_update', 'health_alert', 'zone_updated'],
    limit: 200,
  },
  message_preferences: { preferences: DEFAULT_PREFERENCES, default_preferences: DEFAULT_PREFERENCES },
  message_preferences_updated: { preferences: { ...DEFAULT_PREFERENCES, priority_filter: 'high' }, updated_at: time },
  rate_limited: { retry_after_ms: 50, dropped: 3 },
  user_disconnected: {
    user_id: 'user-1',
    result: 'closed',
    node_id: 'node-2',
    reason: 'maintenance',
    took_ms: 4,
  },
  event_accepted: {
    event_id: '0190a0b0-0000-7000-8000-000000000000',
    queue: 'events-3',
    duplicate: false,
    payload_differs: false,
  },
  admin_broadcast_sent: {
    event_id: '0190a0b0-0000-7000-8000-000000000001',
    message: 'Maintenance at noon',
    priority: 'high',
    sent_at: time,
  },
};

/** An event. */
export const eventExample: EventFrame = {
  type: 'health_update',
  data: { status: 'ok' },
  timestamp: time,
  id: '0190a0b0-0000-7000-8000-000000000000',
  priority: 'normal',
  category: 'health',
  severity: 'info',
  scope: 'broadcast',
  position: positions.broadcast,
};
