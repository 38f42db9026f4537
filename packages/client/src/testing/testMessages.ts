/** What is wrong with the data of a message. */
export interface DataFault {
  readonly path: string;
  readonly message: string;
}

type Check = (value: unknown) => string | null;
interface Message {
  /** Null: every user may send it. */
  readonly permission: string | null;
  readonly required?: readonly string[];
  readonly fields?: Readonly<Record<string, Check>>;
}

const text: Check = (value) => (typeof value === 'string' ? null : 'must be string');
const flag: Check = (value) => (typeof value === 'boolean' ? null : 'must be boolean');
const object: Check = (value) => (isObject(value) ? null : 'must be object');
const whole: Check = (value) => (Number.isInteger(value) ? null : 'must be integer');
const texts: Check = (value) =>
  Array.isArray(value) && value.every((item) => typeof item === 'string') ? null : 'must be array of string';
const oneOf =
  (...allowed: readonly string[]): Check =>
  (value) =>
    allowed.includes(String(value)) ? null : 'must be equal to one of the allowed values';
const names: Check = (value) =>
  texts(value) ?? ((value as unknown[]).length > 0 ? null : 'must NOT have fewer than 1 items');
const priority = oneOf('low', 'normal', 'high', 'critical', 'urgent');
const severity = oneOf('debug', 'info', 'warning', 'error', 'critical');

const PREFERENCES: Readonly<Record<string, Check>> = {
  batch_messages: flag,
  compress_data: flag,
  max_message_rate: whole,
  priority_filter: oneOf('low', 'normal', 'high', 'critical'),
  muted_event_types: texts,
  categories: texts,
};

const forAdmins = (...permissions: readonly string[]): Message => ({ permission: permissions[0] ?? null });

/** The messages that a client may send, as docs/PROTOCOL.md lists them. Those for administrators are refused. */
export const testMessages: Readonly<Record<string, Message>> = {
  ping: { permission: null },
  pong: { permission: null, fields: { connection_id: text } },
  authenticate: { permission: null, required: ['token'], fields: { token: text, resume: text, client: text } },
  subscribe_events: { permission: null, required: ['event_types'], fields: { event_types: names } },
  unsubscribe_events: { permission: null, required: ['event_types'], fields: { event_types: names } },
  subscribe_category: { permission: null, required: ['categories'], fields: { categories: names } },
  unsubscribe_category: { permission: null, required: ['categories'], fields: { categories: names } },
  refresh_token: { permission: null, required: ['token'], fields: { token: text } },
  get_subscription_info: { permission: null },
  get_connection_status: { permission: null },
  health_check: { permission: null },
  ack: { permission: null, required: ['user'], fields: { user: text } },
  set_message_preferences: { permission: null, required: ['preferences'], fields: { preferences: object } },
  get_message_preferences: { permission: null },
  publish_event: {
    permission: 'events:publish',
    required: ['event_type', 'data'],
    fields: {
      event_type: text,
      data: object,
      id: (value) => (typeof value === 'string' && /^[\w-]{1,64}$/.test(value) ? null : 'must match pattern'),
      priority,
      severity,
      metadata: object,
      target_user_ids: names,
      roles: names,
      permission: text,
      exclude: texts,
      ordering_key: text,
      delivery: oneOf('durable', 'ephemeral'),
      conflation_key: text,
      delay_ms: whole,
      deliver_at: text,
      expires_at: text,
    },
  },
  disconnect_user: forAdmins('admin:disconnect'),
  get_event_queue_status: forAdmins('admin:queue'),
  clear_event_queue: forAdmins('admin:queue_write'),
  retry_failed_events: forAdmins('admin:queue_control'),
  pause_event_queue: forAdmins('admin:queue_control'),
  resume_event_queue: forAdmins('admin:queue_control'),
  get_connection_stats: forAdmins('admin:stats'),
  get_router_stats: forAdmins('admin:stats'),
  get_system_metrics: forAdmins('admin:stats'),
  get_all_connections: forAdmins('admin:connections'),
  broadcast_admin_message: forAdmins('admin:broadcast'),
};

/** Empty: the data is good. */
export function dataFaults(type: string, data: Readonly<Record<string, unknown>>): DataFault[] {
  const { required = [], fields = {} } = testMessages[type] ?? {};
  const missing = required.filter((field) => !Object.hasOwn(data, field));
  const faults = missing.map(
    (field): DataFault => ({ path: '', message: `data must have required property '${field}'` }),
  );
  faults.push(...fieldFaults(data, fields, ''));
  if (type === 'set_message_preferences' && isObject(data.preferences)) {
    faults.push(...fieldFaults(data.preferences, PREFERENCES, '/preferences'));
  }
  return faults;
}

function fieldFaults(
  data: Readonly<Record<string, unknown>>,
  fields: Readonly<Record<string, Check>>,
  path: string,
): DataFault[] {
  return Object.entries(data).flatMap(([field, value]) => {
    const check = fields[field];
    if (!check) return [{ path, message: `${path || 'data'} must NOT have additional properties (${field})` }];
    const message = check(value);
    return message === null ? [] : [{ path: `${path}/${field}`, message: `${path}/${field} ${message}` }];
  });
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
