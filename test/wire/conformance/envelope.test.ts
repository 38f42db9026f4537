import { expect } from 'chai';
import type { Client } from './support/client.js';
import { covers } from './support/coverage.js';

/** Texts that are no envelope. Those with the id `e` are answered to it all the same. */
const MALFORMED: Readonly<Record<string, string>> = {
  'no JSON': '{"type":',
  'an array': '[{"type":"ping"}]',
  'a text': '"ping"',
  null: 'null',
  'no type': '{"id":"e"}',
  'a type that is a number': '{"type":5,"id":"e"}',
  'an empty type': '{"type":"","id":"e"}',
  'a type without end': `{"type":"${'x'.repeat(65)}","id":"e"}`,
  'data null': '{"type":"ping","data":null,"id":"e"}',
  'data that is a list': '{"type":"ping","data":[],"id":"e"}',
  'data that is a text': '{"type":"get_message_preferences","data":"x","id":"e"}',
  'an id that is a number': '{"type":"ping","id":7}',
};

/** An error answers `text`, and the connection works on. A good message between keeps the count of errors in a row down. */
async function refused(client: Client, text: string): Promise<Client['frames'][number]> {
  const before = client.frames.length;
  client.sendText(text);
  await client.settled();
  const answer = client.frames.slice(before).find(({ type }) => type === 'error' || type === 'validation_error');
  if (!answer) throw new Error(`no error answers ${text}`);
  return answer;
}

describe('the envelope', () => {
  covers(
    { server: ['error'], errors: ['MESSAGE_ERROR'] },
    'what is no envelope is answered, with its id',
    async (t) => {
      const client = await t.user();
      for (const [what, text] of Object.entries(MALFORMED)) {
        const { type, data, reply_to } = await refused(client, text);
        expect(type, what).to.equal('error');
        expect(data, what).to.include({ error_code: 'MESSAGE_ERROR', recoverable: true });
        expect(reply_to, what).to.equal(text.includes('"id":"e"') ? 'e' : undefined);
      }
    },
  );

  covers({}, 'fields that the envelope does not know are ignored, and data may be left out', async (t) => {
    const client = await t.user();
    client.sendText('{"type":"ping","id":"a","timestamp":"2026-01-01T00:00:00Z","version":9,"token":"x"}');
    expect((await client.replyTo('a', 'ping')).type).to.equal('pong');
    client.sendText('{"type":"ping","data":{},"id":"b"}');
    expect((await client.replyTo('b', 'ping')).type).to.equal('pong');
  });

  covers(
    { server: ['validation_error'], errors: ['VALIDATION_ERROR'] },
    'fields that the data does not know are refused, in every message',
    async (t) => {
      const client = await t.admin();
      const { supported_messages } = await t.target.info();
      const messages = supported_messages.client_to_server.filter(({ type }) => type !== 'authenticate');
      expect(messages.length).to.be.greaterThan(20);
      for (const { type } of messages) {
        const frame = await refused(client, JSON.stringify({ type, data: { no_such_field: 1 }, id: type }));
        expect(frame, type).to.include({ type: 'validation_error', reply_to: type });
        expect(frame.data, type).to.include({ error_code: 'VALIDATION_ERROR', recoverable: true });
        const errors = frame.data.errors as { path: string; message: string }[];
        expect(errors, type).to.be.an('array').that.is.not.empty;
        for (const { path, message } of errors) {
          expect(path, type).to.be.a('string');
          expect(message, type).to.be.a('string').that.is.not.empty;
        }
      }
    },
  );

  covers(
    { server: ['validation_error'], errors: ['VALIDATION_ERROR'] },
    'a value of the wrong kind is refused with its place',
    async (t) => {
      const client = await t.admin();
      const wrong: [string, unknown, string][] = [
        ['subscribe_events', { event_types: 'zone_created' }, '/event_types'],
        ['subscribe_events', { event_types: ['zone_created', 7] }, '/event_types/1'],
        ['unsubscribe_events', { event_types: [] }, '/event_types'],
        ['subscribe_category', { categories: [''] }, '/categories/0'],
        ['refresh_token', { token: 7 }, '/token'],
        ['ack', { user: 7 }, '/user'],
        ['ack', { user: 'no position' }, '/user'],
        ['set_message_preferences', { preferences: { priority_filter: 'top' } }, '/preferences/priority_filter'],
        ['disconnect_user', { user_id: '' }, '/user_id'],
        ['disconnect_user', { user_id: 'nobody', ban_seconds: 0 }, '/ban_seconds'],
        ['publish_event', { event_type: 'custom_event', data: [] }, '/data'],
        ['get_event_queue_status', { jobs: { state: 'lost' } }, '/jobs/state'],
        ['clear_event_queue', { states: ['active'] }, '/states/0'],
        ['retry_failed_events', { limit: 0 }, '/limit'],
        ['get_all_connections', { filter: { healthy: 'yes' } }, '/filter/healthy'],
        ['broadcast_admin_message', { message: '' }, '/message'],
      ];
      for (const [type, data, path] of wrong) {
        const frame = await refused(client, JSON.stringify({ type, data, id: type }));
        expect(frame.type, type).to.equal('validation_error');
        expect(
          (frame.data.errors as { path: string }[]).map((error) => error.path),
          type,
        ).to.include(path);
      }
    },
  );

  covers(
    { server: ['error'], errors: ['UNKNOWN_MESSAGE_TYPE'] },
    'an unknown type is answered with the types that this user may send',
    async (t) => {
      const { supported_messages } = await t.target.info();
      for (const client of [await t.user(), await t.admin()]) {
        const permissions = client.establishedData.permissions as string[];
        const may = supported_messages.client_to_server.filter(({ type, permission }) => {
          return type !== 'authenticate' && (permission === null || permissions.includes(permission));
        });
        // `authenticate` has its time before; the others are names that every object inherits, or that the predecessor knew.
        for (const type of ['no_such_message', 'authenticate', 'constructor', '__proto__', 'get_stats']) {
          const { data } = await refused(client, JSON.stringify({ type, id: 'u' }));
          expect(data, type).to.include({ error_code: 'UNKNOWN_MESSAGE_TYPE', recoverable: true });
          expect(data.supported_types, type).to.have.members(may.map((message) => message.type));
        }
      }
    },
  );

  covers(
    { server: ['error'], errors: ['PERMISSION_DENIED'] },
    'a message that needs a permission is refused to whoever lacks it, whatever its data',
    async (t) => {
      const client = await t.user();
      const permissions = client.establishedData.permissions as string[];
      const { supported_messages } = await t.target.info();
      const denied = supported_messages.client_to_server.filter(({ permission }) => {
        return permission !== null && !permissions.includes(permission);
      });
      expect(denied.length).to.be.greaterThan(10);
      for (const { type, permission } of denied) {
        const frame = await refused(client, JSON.stringify({ type, data: { no_such_field: 1 }, id: type }));
        expect(frame, type).to.include({ type: 'error', reply_to: type });
        expect(frame.data, type).to.include({ error_code: 'PERMISSION_DENIED', recoverable: true });
        expect(frame.data.details, type).to.deep.equal({ permission });
      }
    },
  );

  covers(
    {
      gone_client: [
        'subscribe',
        'unsubscribe',
        'get_stats',
        'get_subscriptions',
        'emit_event',
        'get_recent_events',
        'start_replay',
        'stop_replay',
        'get_replay_status',
        'get_user_connections',
        'get_system_info',
        'test_message',
      ],
      gone_server: ['ping', 'connection_test', 'admin_message', 'event_replay', 'batched_events', 'notification'],
    },
    'names of the service before this one that mean nothing here are not answered with silence, or as something else',
    async (t, { gone_client = [], gone_server = [] }) => {
      const { supported_messages } = await t.target.info();
      const names = supported_messages.server_to_client.map(({ type }) => type);
      for (const type of gone_server) expect(names, type).to.not.include(type);
      for (const client of [await t.user(), await t.admin()]) {
        for (const type of gone_client) {
          const { data, reply_to } = await refused(client, JSON.stringify({ type, id: type, event_types: ['x'] }));
          expect(data, type).to.include({ error_code: 'UNKNOWN_MESSAGE_TYPE' });
          expect(reply_to, type).to.equal(type);
        }
      }
    },
  );

  covers({}, 'messages are answered in the order in which they were sent', async (t) => {
    const client = await t.user();
    const types = ['get_message_preferences', 'ping', 'subscribe_events', 'no_such_message', 'get_subscription_info'];
    const ids = types.map((type) => {
      const id = client.newId();
      client.send(type, type === 'subscribe_events' ? { event_types: ['no_such_type'] } : undefined, id);
      return id;
    });
    await client.settled();
    const order = client.frames.map(({ reply_to }) => reply_to).filter((id) => id !== undefined && ids.includes(id));
    expect(order).to.deep.equal(ids);
  });
});
