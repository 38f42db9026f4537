import { readFileSync } from 'node:fs';
import {
  type Catalogue,
  catalogueSchema,
  PRIORITIES,
  PRIORITY_ORDER,
  permissions,
  RESERVED_NAMES,
  SEVERITIES,
  SEVERITY_ORDER,
  serverMessages,
} from '@unified-ws/protocol';
import { Ajv } from 'ajv';
import { expect } from 'chai';

const words = (text: string): string[] => text.trim().split(/\s+/);

// Written out once more from the requirements, by another hand than the file's: a slip in one of them shows.
const ADMIN_ONLY = words(`
  user_login user_logout user_created user_updated user_deleted session_expired session_created authentication_failed
  permission_denied maintenance_started maintenance_completed service_started service_stopped service_restarted
  connection_closed connection_error subscription_created subscription_deleted debug_info audit_log`);
const CRITICAL = words(`
  health_alert performance_alert security_alert security_threat_detected threat_detected malware_blocked
  phishing_blocked suspicious_activity backup_failed restore_failed service_stopped connection_error error_occurred`);
const SENSITIVE_TYPES = words('rpz_update security_alert threat_detected');
const SENSITIVE_FIELDS = words('internal_ip source_ip user_agent session_id api_key token password secret private_key');
const USER_DEFAULTS = words(`
  health_update system_status zone_created zone_updated zone_deleted record_created record_updated record_deleted
  bind_reload config_change security_alert rpz_update threat_detected admin_broadcast notification_sent custom_event`);
const ADMIN_DEFAULTS = words('user_login user_logout user_created user_updated user_deleted session_expired');
const RATES = {
  health_update: 10,
  health_alert: 30,
  forwarder_status_change: 30,
  system_status: 5,
  zone_created: 20,
  zone_updated: 50,
  zone_deleted: 10,
  record_created: 100,
  record_updated: 200,
  record_deleted: 50,
  bind_reload: 30,
  config_change: 30,
  rpz_update: 20,
};
const TYPES: Readonly<Record<string, readonly string[]>> = {
  health: words(`
    health_update health_alert forwarder_status_change forwarder_health_check system_status system_metrics
    performance_alert resource_usage bind_status_update network_interface_metrics network_metrics disk_metrics`),
  dns: words(`
    zone_created zone_updated zone_deleted zone_imported zone_exported record_created record_updated record_deleted
    record_bulk_operation bind_reload bind_config_change config_change config_backup config_restore dns_query_log
    dns_query_batch dns_query_statistics dns_query_stats dns_query_blocked dns_query_allowed dns_analytics_update
    dns_query_stream dns_query_realtime`),
  security: words(`
    security_alert security_threat_detected rpz_update rpz_rule_created rpz_rule_updated rpz_rule_deleted
    threat_detected threat_feed_update malware_blocked phishing_blocked suspicious_activity`),
  user: words(`
    user_login user_logout user_created user_updated user_deleted session_expired session_created
    authentication_failed permission_denied`),
  system: words(`
    backup_started backup_completed backup_failed restore_started restore_completed restore_failed
    maintenance_started maintenance_completed service_started service_stopped service_restarted admin_broadcast`),
  connection: words('connection_closed connection_error subscription_created subscription_deleted'),
  bulk_operation: words(`
    bulk_operation_started bulk_operation_progress bulk_operation_completed bulk_operation_failed
    import_started import_progress import_completed import_failed
    export_started export_progress export_completed export_failed`),
  error: words('error_occurred warning_issued debug_info'),
  audit: words('audit_log'),
  custom: words(`
    custom_event webhook_triggered api_call_made notification_sent notification_acknowledged notification_statistics`),
};

const ajv = new Ajv({ strict: true, allErrors: true });

function defaultCatalogue(): Catalogue {
  const text = readFileSync(new URL(import.meta.resolve('@unified-ws/protocol/catalogue.json')), 'utf8');
  const parsed: unknown = JSON.parse(text);
  if (!ajv.validate<Catalogue>(catalogueSchema, parsed)) throw new Error(ajv.errorsText());
  return parsed;
}

describe('default catalogue', () => {
  const catalogue = defaultCatalogue();
  const types = Object.entries(catalogue.event_types);
  const namesWhere = (test: (name: string, definition: (typeof types)[number][1]) => boolean): string[] =>
    types.filter(([name, definition]) => test(name, definition)).map(([name]) => name);

  it("has the predecessor's 92 event types and admin_broadcast, so that no publisher is refused", () => {
    expect(types).to.have.length(93);
    expect(catalogue.event_types).to.have.property('admin_broadcast');
    for (const [category, expected] of Object.entries(TYPES)) {
      expect(
        namesWhere((_, definition) => definition.category === category),
        category,
      ).to.have.members(expected);
    }
  });

  it('keeps exactly the admin types from regular users', () => {
    expect(namesWhere((_, { permission }) => permission === 'events:admin')).to.have.members(ADMIN_ONLY);
    expect(namesWhere((_, { permission }) => permission === 'events:receive')).to.have.length(93 - ADMIN_ONLY.length);
  });

  it('lets exactly the critical types overtake', () => {
    expect(namesWhere((_, { priority }) => priority === 'critical')).to.have.members(CRITICAL);
    expect(namesWhere((_, { priority }) => priority === 'normal')).to.have.length(93 - CRITICAL.length);
  });

  it('gives severities by the rules', () => {
    const errors = ['error_occurred', 'backup_failed', 'restore_failed'];
    const warnings = ['warning_issued', 'performance_alert'];
    for (const [name, { severity }] of types) {
      const expected = errors.includes(name)
        ? 'error'
        : warnings.includes(name)
          ? 'warning'
          : CRITICAL.includes(name)
            ? 'critical'
            : 'info';
      expect(severity, name).to.equal(expected);
    }
  });

  it('marks the sensitive fields of the three types, and of no other', () => {
    expect(namesWhere((_, { sensitive_fields }) => sensitive_fields !== undefined)).to.have.members(SENSITIVE_TYPES);
    for (const name of SENSITIVE_TYPES) {
      expect(catalogue.event_types[name]?.sensitive_fields, name).to.deep.equal(
        Object.fromEntries(SENSITIVE_FIELDS.map((field) => [field, 'events:sensitive'])),
      );
    }
  });

  it('has the rates of the requirements', () => {
    const rates = Object.fromEntries(
      types.flatMap(([name, { rate }]) => (rate === undefined ? [] : [[name, rate] as const])),
    );
    expect(rates).to.deep.equal(RATES);
  });

  it('leaves every type durable: nothing is lost by default', () => {
    expect(namesWhere((_, { delivery }) => delivery === 'ephemeral')).to.deep.equal([]);
  });

  it('subscribes users and admins to their defaults, each of which the role may receive', () => {
    const { user, admin } = catalogue.roles;
    expect(user?.default_subscriptions).to.have.members(USER_DEFAULTS);
    expect(admin?.default_subscriptions).to.have.members([...USER_DEFAULTS, ...ADMIN_DEFAULTS]);
    for (const [role, { permissions: held, default_subscriptions }] of Object.entries(catalogue.roles)) {
      for (const name of default_subscriptions) {
        expect(held, `${role} ${name}`).to.include(catalogue.event_types[name]?.permission);
      }
    }
  });

  it('asks for more than events:publish where a forged event would be believed', () => {
    const asks = (permission: string) => namesWhere((_, { publish_permission }) => publish_permission === permission);
    expect(asks('events:publish_admin')).to.have.members(ADMIN_ONLY);
    expect(asks('admin:broadcast')).to.deep.equal(['admin_broadcast']);
    expect(namesWhere((_, { publish_permission }) => publish_permission !== undefined)).to.have.length(
      ADMIN_ONLY.length + 1,
    );
  });

  it('has five roles with the permissions of the design, all of which exist', () => {
    expect(catalogue.roles).to.have.all.keys('user', 'viewer', 'operator', 'admin', 'service');
    const { user, viewer, operator, admin, service } = catalogue.roles;
    const read = ['admin:stats', 'admin:connections', 'admin:queue', 'admin:audit'];
    expect(viewer?.permissions).to.have.members(read);
    expect(operator?.permissions).to.have.members([...read, 'admin:disconnect', 'admin:queue_control', 'admin:drain']);
    expect(user?.permissions).to.have.members(['events:receive']);
    expect(admin?.permissions).to.have.members(Object.keys(permissions));
    expect(service?.permissions).to.have.members(['events:publish', 'events:publish_admin']);
    for (const [name, { permission }] of types) expect(permissions, name).to.have.property(permission);
  });

  it('maps the five old groups to categories that exist', () => {
    expect(catalogue.groups).to.have.all.keys('health', 'dns_management', 'security', 'system', 'admin');
    const mapped = Object.values(catalogue.groups).flat();
    expect(mapped).to.have.members(words('health dns bulk_operation security system error user audit'));
    for (const category of mapped) expect(TYPES).to.have.property(category);
  });

  it('names no type like a control message, or a client could not tell them apart', () => {
    for (const name of RESERVED_NAMES) expect(catalogue.event_types).not.to.have.property(name);
    // A frame with `scope` is an event: that alone tells this one from the reply of its name (it is both).
    const both = ['system_metrics'];
    const names = Object.keys(serverMessages).filter((name) => !both.includes(name));
    for (const name of names) expect(catalogue.event_types).not.to.have.property(name);
  });
});

describe('catalogue schema', () => {
  const valid = (eventTypes: unknown) =>
    ajv.validate(catalogueSchema, { version: 1, event_types: eventTypes, roles: {}, groups: {} });
  const definition = { category: 'dns', priority: 'low', severity: 'info', permission: 'events:receive' };

  it('takes an own catalogue', () => {
    expect(valid({ my_event: { ...definition, delivery: 'ephemeral', conflation_key: 'id', ttl_ms: 1000 } })).to.equal(
      true,
    );
  });

  for (const [title, eventTypes] of [
    ['a reserved name', { heartbeat: definition }],
    ['a prototype key', JSON.parse(`{"__proto__": ${JSON.stringify(definition)}}`)],
    ['a name with a space', { 'my event': definition }],
    ['a missing permission', { my_event: { category: 'dns', priority: 'low', severity: 'info' } }],
    ['an unknown field, such as a misspelt one', { my_event: { ...definition, ttl: 1 } }],
    ['a permission without a scope', { my_event: { ...definition, permission: 'all' } }],
  ] as const) {
    it(`refuses ${title}`, () => {
      expect(valid(eventTypes)).to.equal(false);
    });
  }
});

describe('orders', () => {
  it('agree with the lists', () => {
    expect(PRIORITIES.map((name) => PRIORITY_ORDER[name])).to.deep.equal([0, 1, 2, 3, 4]);
    expect(SEVERITIES.map((name) => SEVERITY_ORDER[name])).to.deep.equal([0, 1, 2, 3, 4]);
    expect(Object.keys(PRIORITY_ORDER)).to.deep.equal([...PRIORITIES]);
    expect(Object.keys(SEVERITY_ORDER)).to.deep.equal([...SEVERITIES]);
  });
});
