import type { Settings } from './settings.js';

/**
 * What happens to nodes of one cluster whose values differ.
 *
 * - `refused`: the node does not start, and names both values. With both in force, events or their order would be lost.
 * - `peer`: the value of each node applies to that node. The other nodes read it from its card.
 * - `told`: the values may differ during a rolling deploy. `/health` reports a difference that lasts.
 */
type AgreementRule = 'refused' | 'peer' | 'told';

export interface Agreement {
  /** The setting, or what is derived from it. */
  readonly name: string;
  readonly rule: AgreementRule;
  readonly why: string;
  /** As published in the node's card; no secrets. Absent: the value is not in the settings, or is compared elsewhere. */
  readonly value?: (settings: Settings) => string | number | boolean | readonly string[] | null;
}

/** Identity of a node's queue: an id stored in its Redis, and the address of that Redis. */
export const QUEUE_AGREEMENT = 'REDIS_URL, REDIS_PREFIX, REDIS_QUEUE_URL';

/** The only list of settings that must agree. docs/CONFIG.md shows it. */
export const AGREEMENTS: readonly Agreement[] = [
  {
    name: 'EVENT_QUEUE_PARTITIONS',
    rule: 'refused',
    why: 'the events of one key would be spread over two queues (Q7)',
    value: ({ eventQueuePartitions }) => eventQueuePartitions,
  },
  {
    name: QUEUE_AGREEMENT,
    rule: 'refused',
    why: 'one installation would process the queue of another, or one installation would have two queues',
  },
  {
    name: 'LEASE_TTL_MS',
    rule: 'peer',
    why: 'a node counts as dead, and a new connection stops waiting for a replaced one, after the time of that node itself',
    value: ({ leaseTtlMs }) => leaseTtlMs,
  },
  {
    name: 'REPLACE_TIMEOUT_MS',
    rule: 'peer',
    why: 'a new connection waits for a node with a longer lease until that lease has ended, whatever its own value is',
    value: ({ replaceTimeoutMs }) => replaceTimeoutMs,
  },
  { name: 'version', rule: 'told', why: 'nodes of different versions should not run together for long' },
  {
    name: 'event catalogue',
    rule: 'told',
    why: 'types, roles and permissions would depend on the node (nodes compare a hash)',
  },
  {
    name: 'CONNECTION_POLICY',
    rule: 'told',
    why: 'whether the second connection wins would depend on the node',
    value: ({ connectionPolicy }) => connectionPolicy,
  },
  {
    name: 'JWT_ISSUER',
    rule: 'told',
    why: 'a token would be valid on some nodes only',
    value: ({ jwtIssuer }) => jwtIssuer,
  },
  { name: 'JWT_AUDIENCE', rule: 'told', why: 'as JWT_ISSUER', value: ({ jwtAudience }) => jwtAudience },
  { name: 'MAX_TOKEN_AGE_MS', rule: 'told', why: 'as JWT_ISSUER', value: ({ maxTokenAgeMs }) => maxTokenAgeMs },
  ...limits({
    HISTORY_SIZE: ({ historySize }) => historySize,
    HISTORY_BYTES: ({ historyBytes }) => historyBytes,
    HISTORY_TTL_MS: ({ historyTtlMs }) => historyTtlMs,
    MAILBOX_SIZE: ({ mailboxSize }) => mailboxSize,
    MAILBOX_BYTES: ({ mailboxBytes }) => mailboxBytes,
    MAILBOX_TTL_MS: ({ mailboxTtlMs }) => mailboxTtlMs,
    WINDOW_SIZE: ({ windowSize }) => windowSize,
    WINDOW_BYTES: ({ windowBytes }) => windowBytes,
    EVENT_QUEUE_MAX: ({ eventQueueMax }) => eventQueueMax,
    WORKER_STALL_MS: ({ workerStallMs }) => workerStallMs,
    MAX_PAYLOAD: ({ maxPayload }) => maxPayload,
    MAX_SUBSCRIPTIONS: ({ maxSubscriptions }) => maxSubscriptions,
    MESSAGE_RATE: ({ messageRate }) => messageRate,
    LEGACY_ENDPOINTS: ({ legacyEndpoints }) => legacyEndpoints,
  }),
  {
    name: 'IDEMPOTENCY_WINDOW_MS',
    rule: 'told',
    why: 'ids would be remembered for the shorter time',
    value: ({ idempotencyWindowMs }) => idempotencyWindowMs,
  },
];

function limits(values: Readonly<Record<string, NonNullable<Agreement['value']>>>): Agreement[] {
  const why = 'a limit would depend on the node, or on the node whose worker appends';
  return Object.entries(values).map(([name, value]) => ({ name, rule: 'told', why, value }));
}

/** The values of a node by name, for its card. */
export function agreementValues(settings: Settings): Record<string, string> {
  const values: Record<string, string> = {};
  for (const { name, value } of AGREEMENTS) if (value) values[name] = String(value(settings));
  return values;
}
