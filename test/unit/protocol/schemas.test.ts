import {
  broadcastBodySchema,
  catalogueSchema,
  clientMessages,
  disconnectBodySchema,
  envelopeSchema,
  errorCodes,
  isClientMessageType,
  type JSONSchema,
  MAX_BAN_SECONDS,
  MAX_DELAY_MS,
  MAX_REASON_LENGTH,
  MAX_SUBSCRIPTION_CHANGES,
  MAX_TARGET_USERS,
  permissions,
  permissionsChangedBodySchema,
  problemSchema,
  publishSchema,
  rolloutBodySchema,
  serverMessages,
} from '@unified-ws/protocol';
import { Ajv } from 'ajv';
import { expect } from 'chai';

const ajv = new Ajv({ strict: true, allErrors: true });

const clientSent: readonly (readonly [string, JSONSchema])[] = [
  ...Object.entries(clientMessages).map(([type, { data }]) => [type, data] as const),
  ['publish', publishSchema],
  ['POST /disconnect', disconnectBodySchema],
  ['POST /permissions-changed', permissionsChangedBodySchema],
  ['POST /broadcast', broadcastBodySchema],
  ['PUT /rollout', rolloutBodySchema],
];

const all: readonly (readonly [string, JSONSchema])[] = [
  ...clientSent,
  ...Object.entries(serverMessages).map(([type, { data }]) => [type, data] as const),
  ['envelope', envelopeSchema],
  ['problem', problemSchema],
  ['catalogue', catalogueSchema],
];

/** What a client could grow without end under `schema`, as paths. */
function unbounded(schema: JSONSchema, path: string): string[] {
  if (schema.enum !== undefined || schema.const !== undefined) return [];
  const types = schema.type === undefined ? [] : [schema.type].flat();
  const faults: string[] = [];
  if (types.length === 0) faults.push(`${path}: any type`);
  if (types.includes('string') && schema.maxLength === undefined) faults.push(`${path}: maxLength`);
  if (types.includes('integer') || types.includes('number')) {
    if (schema.minimum === undefined || schema.maximum === undefined) faults.push(`${path}: minimum, maximum`);
  }
  if (types.includes('array')) {
    if (schema.maxItems === undefined) faults.push(`${path}: maxItems`);
    if (schema.items === undefined) faults.push(`${path}: items`);
    else faults.push(...unbounded(schema.items, `${path}[]`));
  }
  if (types.includes('object')) {
    if (schema.additionalProperties !== false) faults.push(`${path}: additionalProperties`);
    for (const [name, property] of Object.entries(schema.properties ?? {})) {
      faults.push(...unbounded(property, `${path}.${name}`));
    }
  }
  return faults;
}

function accepts(schema: JSONSchema, value: unknown): boolean {
  return ajv.validate(schema, value) === true;
}

describe('schemas', () => {
  for (const [name, schema] of all) {
    it(`${name} compiles in strict mode, so no keyword is misspelt or without effect`, () => {
      expect(() => ajv.compile(schema)).not.to.throw();
    });
  }

  it('no client can make the server keep or walk unbounded data', () => {
    const faults = clientSent.flatMap(([name, schema]) => unbounded(schema, name));
    // Free JSON by contract: bounded by the payload limit alone.
    const free = ['publish_event', 'publish', 'POST /broadcast'].flatMap((name) =>
      ['data', 'metadata'].map((field) => `${name}.${field}: additionalProperties`),
    );
    expect(faults).to.have.members(free);
  });

  it('prototype keys in data are refused, not walked into', () => {
    for (const [name, schema] of clientSent) {
      for (const key of ['__proto__', 'constructor', 'prototype']) {
        const valid = validData[name] ?? {};
        const text = JSON.stringify({ ...valid, KEY: {} }).replace('"KEY"', `"${key}"`);
        expect(accepts(schema, JSON.parse(text)), `${name} ${key}`).to.equal(false);
      }
    }
  });

  it('each client message has data that it accepts', () => {
    for (const [name, schema] of clientSent) expect(accepts(schema, validData[name] ?? {}), name).to.equal(true);
  });
});

const publishData = { event_type: 'zone_created', data: { zone: 'example.org' } };
const validData: Readonly<Record<string, object>> = {
  authenticate: { token: 'a.b.c' },
  subscribe_events: { event_types: ['zone_created'] },
  unsubscribe_events: { event_types: ['zone_created'] },
  ack: { user: 'epoch.7.tag' },
  set_message_preferences: { preferences: { max_message_rate: 5 } },
  subscribe_category: { categories: ['dns'] },
  unsubscribe_category: { categories: ['dns'] },
  refresh_token: { token: 'a.b.c' },
  disconnect_user: { user_id: 'user-1' },
  publish_event: publishData,
  broadcast_admin_message: { message: 'good day' },
  publish: publishData,
  'POST /broadcast': publishData,
  'PUT /rollout': { mode: 'gradual', percentage: 5, user_list: ['user-1'], force_legacy: [], enforce: false },
};

describe('envelope', () => {
  it('ignores unknown fields, so that newer clients are not refused', () => {
    expect(accepts(envelopeSchema, { type: 'ping', trace: 'x' })).to.equal(true);
  });

  for (const [title, frame] of [
    ['a missing type', { data: {} }],
    ['a numeric type', { type: 5 }],
    ['an empty type', { type: '' }],
    ['a type over 64 characters', { type: 'x'.repeat(65) }],
    ['data null', { type: 'ping', data: null }],
    ['data list', { type: 'ping', data: [] }],
    ['an id over 128 characters', { type: 'ping', id: 'x'.repeat(129) }],
    ['an empty id', { type: 'ping', id: '' }],
    ['a list instead of an object', []],
    ['null', null],
  ] as const) {
    it(`refuses ${title}`, () => {
      expect(accepts(envelopeSchema, frame)).to.equal(false);
    });
  }
});

describe('publish schema', () => {
  const publish = (more: object) => accepts(publishSchema, { ...publishData, ...more });

  it('accepts all its fields at their bounds', () => {
    expect(
      publish({
        id: 'a_-9'.repeat(16),
        priority: 'urgent',
        severity: 'debug',
        metadata: { a: [{}] },
        target_user_ids: Array.from({ length: MAX_TARGET_USERS }, (_, i) => `u${i}`),
        roles: ['admin'],
        permission: 'events:admin',
        exclude: [],
        ordering_key: 'k',
        delivery: 'ephemeral',
        conflation_key: 'c',
        delay_ms: MAX_DELAY_MS,
        expires_at: '2026-11-22T10:00:00.123456789+01:00',
      }),
    ).to.equal(true);
  });

  it('refuses delay_ms together with deliver_at, which would leave the due time to chance', () => {
    expect(publish({ delay_ms: 1 })).to.equal(true);
    expect(publish({ deliver_at: '2026-11-22T10:00:00Z' })).to.equal(true);
    expect(publish({ delay_ms: 1, deliver_at: '2026-11-22T10:00:00Z' })).to.equal(false);
  });

  for (const [title, more] of [
    ['an id with a character outside the pattern', { id: 'a:b' }],
    ['an id that ends in a line break', { id: 'a\n' }],
    ['an id over 64 characters', { id: 'x'.repeat(65) }],
    ['an unknown priority', { priority: 'highest' }],
    ['data that is no object', { data: [] }],
    ['no target', { target_user_ids: [] }],
    ['too many targets', { target_user_ids: Array.from({ length: MAX_TARGET_USERS + 1 }, () => 'u') }],
    ['an empty user id', { exclude: [''] }],
    ['a negative delay', { delay_ms: -1 }],
    ['a delay that is no integer', { delay_ms: 1.5 }],
    ['a delay over the limit', { delay_ms: MAX_DELAY_MS + 1 }],
    ['a time without a zone', { expires_at: '2026-11-22T10:00:00' }],
    ['a time as a number', { deliver_at: 1 }],
    ['an unknown field', { ttl: 1 }],
  ] as const) {
    it(`refuses ${title}`, () => {
      expect(publish(more)).to.equal(false);
    });
  }
});

describe('client messages', () => {
  it('subscribing takes 1 to 200 names, no single string (which the predecessor walked by character)', () => {
    const subscribe = (eventTypes: unknown) =>
      accepts(clientMessages.subscribe_events.data, { event_types: eventTypes });
    expect(subscribe(Array.from({ length: MAX_SUBSCRIPTION_CHANGES }, (_, i) => `t${i}`))).to.equal(true);
    expect(subscribe(Array.from({ length: MAX_SUBSCRIPTION_CHANGES + 1 }, (_, i) => `t${i}`))).to.equal(false);
    expect(subscribe([])).to.equal(false);
    expect(subscribe('zone_created')).to.equal(false);
    expect(subscribe([1])).to.equal(false);
  });

  it('a ban is bounded and whole', () => {
    const disconnect = (more: object) =>
      accepts(clientMessages.disconnect_user.data, { user_id: 'u', ...more }) && accepts(disconnectBodySchema, more);
    expect(disconnect({ ban_seconds: MAX_BAN_SECONDS, reason: 'x'.repeat(MAX_REASON_LENGTH) })).to.equal(true);
    expect(disconnect({ ban_seconds: 0 })).to.equal(false);
    expect(disconnect({ ban_seconds: MAX_BAN_SECONDS + 1 })).to.equal(false);
    expect(disconnect({ ban_seconds: 0.5 })).to.equal(false);
    expect(disconnect({ reason: 'x'.repeat(MAX_REASON_LENGTH + 1) })).to.equal(false);
  });

  it('each asks for a permission that exists and is answered by a message that exists', () => {
    for (const [type, { permission, reply }] of Object.entries(clientMessages)) {
      if (permission !== null) expect(permissions, type).to.have.property(permission);
      if (reply !== null) expect(serverMessages, type).to.have.property(reply);
    }
  });

  it('names that every object inherits are no message types', () => {
    expect(isClientMessageType('ping')).to.equal(true);
    for (const name of ['constructor', '__proto__', 'toString', 'hasOwnProperty', '']) {
      expect(isClientMessageType(name), name).to.equal(false);
    }
  });
});

describe('error codes', () => {
  it('each has an HTTP status that says whose fault it is', () => {
    for (const [code, { http, meaning }] of Object.entries(errorCodes)) {
      expect(http, code).to.be.within(400, 599);
      expect(meaning, code).not.to.equal('');
    }
  });
});
