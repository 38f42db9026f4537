import { ASYNCAPI_PATH, CLOSE, closeCodes, REST_BASE } from '@unified-ws/protocol';
import { expect } from 'chai';
import type { Received, TestClient } from '../../support/client.js';
import { type AsyncApiContract, asyncApiContract } from '../../support/contract.js';
import { adminToken, token } from '../../support/tokens.js';
import { until } from '../../support/wait.js';
import { logOf, storedEvent } from '../support/events.js';
import { variants } from '../support/variants.js';
import { type LocalNode, World } from '../support/world.js';

type Data = Readonly<Record<string, unknown>>;

/** Each frame of each connection is held against the document that the node itself serves. */
describe('WebSocket messages as asyncapi.json says', function () {
  this.timeout(30_000);
  const world = new World();
  /** Types of frames that came, in all tests together. */
  const seen = new Set<string>();
  const faults: string[] = [];
  let node: LocalNode;
  let contract: AsyncApiContract;

  before(async () => {
    await world.start();
    node = await world.node({
      HEARTBEAT_INTERVAL_MS: '100',
      MAX_CONSECUTIVE_ERRORS: '1000',
      MESSAGE_RATE: '100000',
      MESSAGE_BURST: '1000000',
      TOKEN_NOTICE_MS: '60000',
      // Without them nobody is told of a roll-out.
      LEGACY_ENDPOINTS: 'true',
    });
    contract = asyncApiContract(await (await fetch(`${node.http}${ASYNCAPI_PATH}`)).json());
  });

  afterEach(async () => {
    await world.endClients();
    expect(faults.splice(0)).to.deep.equal([]);
  });

  after(() => world.stop());

  function check({ at: _at, ...frame }: Received): void {
    seen.add(frame.scope === undefined ? frame.type : 'event');
    const wrong = contract.receivedFaults(frame);
    if (wrong.length > 0) faults.push(`${wrong.join('; ')} in ${JSON.stringify(frame).slice(0, 1000)}`);
  }

  const connect = (user: string, roles: readonly string[], tokenOf = token(user, { roles })): Promise<TestClient> =>
    world.connect(node, user, roles, { token: tokenOf, onFrame: check });

  /** The reply, or undefined when there is none: what is sent afterwards is answered afterwards. */
  async function answerTo(client: TestClient, frame: Data, id: string): Promise<Received | undefined> {
    client.ws.send(JSON.stringify({ ...frame, id }));
    await client.request('ping');
    const find = (): Received | undefined => client.frames.find(({ reply_to }) => reply_to === id);
    const silent = contract.requests.get(String(frame.type))?.replies.length === 2;
    return silent
      ? find()
      : until(find, { what: `a reply to ${JSON.stringify(frame).slice(0, 500)}`, timeoutMs: 10_000 });
  }

  /** The example of the document, with a token where it stands for one. */
  function example(type: string, tokenOf: string): Data {
    const [frame = {}] = contract.requests.get(type)?.examples ?? [];
    return JSON.parse(JSON.stringify(frame).replaceAll('<token>', tokenOf)) as Data;
  }

  // Seen red with a field more in `pong`, and with another reply of get_router_stats in the document.
  it('each message that a client may send is answered as described', async () => {
    const admin = await connect('admin-1', ['admin']);
    await connect('user-1', ['user']);
    for (const [type, { replies }] of contract.requests) {
      if (type === 'authenticate') continue;
      const frame = { ...example(type, adminToken()), ...(type === 'pong' ? { data: {} } : {}) };
      const answer = await answerTo(admin, frame, `e-${type}`);
      const [success] = replies;
      if (replies.length === 2) expect(answer, type).to.equal(undefined);
      else expect(answer?.type, JSON.stringify(answer)).to.equal(success);
    }
    const late = world.dial(node, { onFrame: check });
    await until(() => late.isOpen, { what: 'the upgrade' });
    const { data } = example('authenticate', token('user-2'));
    expect((await late.request('authenticate', data)).type).to.equal('connection_established');
  });

  it('a message without its permission is refused as described', async () => {
    const user = await connect('user-3', ['user']);
    for (const [type, { permission }] of contract.requests) {
      if (permission === null) continue;
      const answer = await answerTo(user, example(type, token('user-3')), `p-${type}`);
      expect(answer?.data, type).to.deep.include({ error_code: 'PERMISSION_DENIED' });
      expect(contract.mayAnswer(type, answer?.type ?? ''), type).to.equal(true);
    }
  });

  /** What no schema tells. */
  const SEMANTIC = /is not in the event catalogue|is not a position/;

  // Seen red with the data of `disconnect_user` not validated.
  it('data that the document refuses are answered by validation_error, and no other', async function () {
    this.timeout(120_000);
    const counts = { refused: 0, taken: 0 };
    for (const [type, { fields }] of contract.requests) {
      // Of tokens no schema can tell which is good.
      if (type === 'authenticate' || type === 'refresh_token') continue;
      const frame = example(type, '');
      const admin = await connect('admin-2', ['admin']);
      const frames = variants(frame.data ?? {}, fields).map((data) => ({ type, data }));
      for (const [index, one] of frames.entries()) {
        const answer = await answerTo(admin, one, `v${index}`);
        const wrong = contract.sentFaults(one);
        const what = `${JSON.stringify(one).slice(0, 300)}: ${JSON.stringify(answer)?.slice(0, 300)} (${wrong})`;
        if (wrong.length > 0) {
          counts.refused += 1;
          expect(answer?.data.error_code, what).to.be.oneOf(['VALIDATION_ERROR', 'MESSAGE_ERROR']);
        } else {
          counts.taken += 1;
          if (answer?.type === 'validation_error') expect(what).to.match(SEMANTIC);
        }
      }
      await admin.ask('resume_event_queue', {}, 'event_queue_resumed');
      await admin.close();
    }
    expect(counts.refused).to.be.above(300);
    expect(counts.taken).to.be.above(50);
  });

  it('messages that are none are answered as described', async () => {
    const client = await connect('user-4', ['user']);
    for (const text of ['junk', '[]', '{}', '{"type":7}', '{"type":"ping","data":[]}', '{"type":"no_such"}']) {
      const before = client.frames.length;
      client.ws.send(text);
      await until(() => client.frames.slice(before).some(({ type }) => type.includes('error')), { what: text });
    }
    const unknown = client.frames.find(({ data }) => data.error_code === 'UNKNOWN_MESSAGE_TYPE');
    const open = [...contract.requests.values()].filter(({ permission }) => permission === null);
    // `authenticate` is over once the connection is open.
    expect(unknown?.data.supported_types).to.include.members(
      open.map(({ type }) => type).filter((type) => type !== 'authenticate'),
    );
  });

  it('events of each kind are as described: broadcast, of the mailbox, replayed, ephemeral', async () => {
    const client = await connect('user-5', ['user']);
    await client.ask('subscribe_events', { event_types: ['health_update'] }, 'subscription_updated');
    const admin = await connect('admin-5', ['admin']);
    const event = { event_type: 'health_update', data: { status: 'ok' }, metadata: { trace: 't' } };
    for (const more of [{}, { target_user_ids: ['user-5'] }, { delivery: 'ephemeral' }]) {
      const { event_id } = await admin.ask('publish_event', { ...event, ...more }, 'event_accepted');
      await client.waitFor('health_update', ({ id }) => id === event_id);
    }
    await admin.ask('broadcast_admin_message', { message: 'good day' }, 'admin_broadcast_sent');
    await client.waitFor('admin_broadcast');
    const positions = (client.establishedData?.positions ?? {}) as Record<string, string | null>;
    await client.close();
    const resume = `${positions.broadcast ?? ''}~${positions.user ?? ''}`;
    const again = world.dial(node, { token: token('user-5'), resume, onFrame: check });
    await again.waitFor('health_update');
  });

  it('what the server says by itself is as described', async () => {
    const redis = world.redis.client();
    const client = await connect('user-6', ['user']);
    await client.waitFor('heartbeat');
    await client.ask(
      'set_message_preferences',
      { preferences: { max_message_rate: 1 } },
      'message_preferences_updated',
    );
    await logOf(world.redis).append(Array.from({ length: 9 }, (_, n) => storedEvent({ n })));
    await client.waitFor('rate_limited');
    const other = await connect('user-7', ['user']);
    await logOf(world.redis).append([storedEvent({ n: 'before' })]);
    await other.waitFor('custom_event');
    await redis.xtrim('uws:{log}:s', 'MAXLEN', 1);
    await logOf(world.redis, 'lost', 5).append(Array.from({ length: 40 }, (_, n) => storedEvent({ n })));
    await logOf(world.redis, 'heard', 5).append([storedEvent({ n: 40 })]);
    await other.waitFor('gap');
    const exp = Math.floor(Date.now() / 1000) + 20;
    const ending = token('user-8', { claims: { exp, iat: exp - 3600 } });
    await (await connect('user-8', ['user'], ending)).waitFor('token_expiring');
    const changed = await connect('user-10', ['user']);
    await changed.ask('subscribe_events', { event_types: ['health_update'] }, 'subscription_updated');
    const headers = { authorization: `Bearer ${adminToken()}`, 'content-type': 'application/json' };
    const order = async (method: string, path: string, body: object): Promise<void> => {
      const answer = await fetch(`${node.http}${REST_BASE}${path}`, { method, headers, body: JSON.stringify(body) });
      expect(answer.status, await answer.text()).to.equal(200);
    };
    await order('POST', '/users/user-10/permissions-changed', { roles: [] });
    await changed.waitFor('subscription_updated', ({ data }) => data.reason === 'permissions_changed');
    const nobody = { user_list: [], force_legacy: [], percentage: 0, enforce: false };
    await order('PUT', '/rollout', { ...nobody, mode: 'full' });
    await changed.waitFor('rollout_changed');
    const leaving = await world.node({ NODE_ID: 'leaving' });
    const drained = world.dial(leaving, { token: token('user-11'), onFrame: check });
    await drained.established();
    await leaving.node.stop();
    expect((await drained.closed()).code).to.equal(CLOSE.DRAINING);
  });

  it('every message of the server was seen, and every close code is described', () => {
    const never = contract.serverTypes.filter((type) => !seen.has(type));
    expect(never).to.deep.equal([]);
    expect(seen).to.include('event');
    expect(contract.closeCodes).to.have.members(closeCodes.map(({ code }) => code));
  });
});
