import {
  MAX_ROLLOUT_USERS,
  ownRolloutSchema,
  type RolloutBody,
  rolloutChangedSchema,
  rolloutSchema,
  userRolloutSchema,
} from '@unified-ws/protocol';
import { Ajv } from 'ajv';
import { expect } from 'chai';
import { type Answer, call, expectProblem, type Json } from '../../packages/server/test/rest/support.js';
import { RedisProxy } from '../support/redisProxy.js';
import { adminToken, token } from '../support/tokens.js';
import { until } from '../support/wait.js';
import { type LocalNode, World } from './support/world.js';

const NOBODY: RolloutBody = { mode: 'disabled', percentage: 0, user_list: [], force_legacy: [], enforce: false };
/** COMMAND_TIMEOUT_MS of all nodes. */
const TIMEOUT_MS = 1000;

describe('the roll-out', function () {
  this.timeout(20_000);
  const ajv = new Ajv({ strict: false });
  const isReport = ajv.compile(rolloutSchema);
  const isChanged = ajv.compile(rolloutChangedSchema);
  const isOwn = ajv.compile(ownRolloutSchema);
  const isUser = ajv.compile(userRolloutSchema);
  const world = new World();
  const admin = adminToken();
  const env = { LEGACY_ENDPOINTS: 'true', COMMAND_TIMEOUT_MS: String(TIMEOUT_MS) };
  let one: LocalNode;
  let two: LocalNode;

  before(async () => {
    await world.start();
    [one, two] = (await Promise.all(['one', 'two'].map((id) => world.node({ ...env, NODE_ID: id })))) as [
      LocalNode,
      LocalNode,
    ];
  });
  afterEach(async () => {
    await world.endClients();
    await set({});
  });
  after(() => world.stop());

  const order = (path: string, json: unknown, node = one, method = 'POST'): Promise<Answer> =>
    call(node, path, { method, json, token: admin });
  const put = (changes: Partial<RolloutBody>, node = one) => order('rollout', { ...NOBODY, ...changes }, node, 'PUT');
  const rollBack = (json: unknown = {}, node = one) => order('rollout/rollback', json, node);
  const restore = (json: unknown = {}, node = one) => order('rollout/restore', json, node);

  async function set(changes: Partial<RolloutBody>, node = one): Promise<Json> {
    const { status, body, text } = await put(changes, node);
    expect(status, text).to.equal(200);
    expect(isChanged(body), JSON.stringify(isChanged.errors)).to.equal(true);
    return body;
  }

  async function read(node = one): Promise<Json> {
    const { body } = await call(node, 'rollout', { token: admin });
    expect(isReport(body), JSON.stringify(isReport.errors)).to.equal(true);
    return body;
  }

  async function me(user: string, node = two): Promise<Json> {
    const { body } = await call(node, 'rollout/me', { token: token(user) });
    expect(isOwn(body), JSON.stringify(isOwn.errors)).to.equal(true);
    return body;
  }

  /** What is in force on a node, and whether it serves: told without asking Redis. */
  async function metrics(node: { readonly http: string }): Promise<{ version: number; mode: string; ready: boolean }> {
    const { text } = await call(node, '/metrics');
    const value = (name: string): number => Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1]);
    const mode = /^uws_rollout_mode\{mode="(\w+)"\} 1$/m.exec(text)?.[1] ?? '';
    return { version: value('uws_rollout_version'), mode, ready: value('uws_ready') === 1 };
  }

  it('a change must be in force on every node when it is answered, or a user finds another answer at each', async () => {
    const { version } = await read();
    const lists = { user_list: ['listed', 'both'], force_legacy: ['kept', 'both'] };
    const body = await set({ mode: 'gradual', percentage: 34, enforce: true, ...lists });
    expect(body).to.deep.include({
      ...lists,
      result: 'changed',
      version: version + 1,
      changed_by: 'admin-1',
      missing_nodes: [],
    });
    expect(body.nodes.map(({ node_id, ...rest }: Json) => ({ [node_id]: rest }))).to.have.deep.members(
      ['one', 'two'].map((id) => ({ [id]: { version: version + 1, legacy_endpoints: true } })),
    );
    for (const node of [one, two]) {
      expect(await me('listed', node)).to.include({ endpoint: 'unified', reason: 'user_list', enforced: true });
      expect(await me('kept', node)).to.include({ endpoint: 'legacy', reason: 'force_legacy', enforced: false });
      expect(await me('both', node)).to.include({ endpoint: 'legacy', reason: 'force_legacy' });
      // Buckets 33 and 87.
      expect(await me('user-1', node)).to.include({ endpoint: 'unified', reason: 'within_percentage' });
      expect(await me('42', node)).to.include({ endpoint: 'legacy', reason: 'beyond_percentage' });
    }
    const { body: user } = await call(two, 'rollout/users/user-1', { token: admin });
    expect(isUser(user), JSON.stringify(isUser.errors)).to.equal(true);
    expect(user).to.deep.equal({
      user_id: 'user-1',
      endpoint: 'unified',
      reason: 'within_percentage',
      enforced: true,
      mode: 'gradual',
      version: version + 1,
      bucket: 33,
      in_user_list: false,
      in_force_legacy: false,
    });
  });

  it('an admin must see what each mode would do to those who are connected, before he switches', async () => {
    await set({ mode: 'testing', percentage: 34, user_list: ['listed'], force_legacy: ['kept'] });
    await Promise.all([
      world.connect(one, 'listed'),
      world.connect(two, 'kept'),
      world.connect(two, 'user-1'),
      world.connect(one, '42'),
    ]);
    const { modes, nodes } = await read(two);
    const connected = Object.fromEntries(
      Object.entries(modes).map(([mode, facts]) => [mode, (facts as Json).connected]),
    );
    expect(connected).to.deep.equal({
      disabled: { legacy: 4, unified: 0 },
      testing: { legacy: 3, unified: 1 },
      gradual: { legacy: 2, unified: 2 },
      full: { legacy: 1, unified: 3 },
    });
    expect(nodes).to.have.length(2);
  });

  // Seen red with the script putting in force whatever tag it is given.
  it('of two admins who saw the same state only one may change it, and the other is told of the newest version', async () => {
    const { version } = await read();
    const answers = await Promise.all([
      put({ mode: 'testing', version }, one),
      put({ mode: 'full', version }, two),
      put({ mode: 'gradual', version }, two),
    ]);
    const refused = answers.filter(({ status }) => status !== 200);
    expect(refused).to.have.length(2);
    for (const answer of refused) {
      expect(expectProblem(answer, 409, 'CONFLICT').details).to.deep.equal({ version: version + 1 });
    }
    expect(await read()).to.include({ version: version + 1 });
    // Without a version each comes after the other, and none is lost.
    const many = await Promise.all(Array.from({ length: 6 }, (_, n) => put({ percentage: n }, n % 2 ? one : two)));
    const versions = many.map(({ body }) => body.version).sort((a: number, b: number) => a - b);
    expect(versions).to.deep.equal(Array.from({ length: 6 }, (_, n) => version + 2 + n));
  });

  // Seen red without the look at bytes (the last two).
  it('what is out of bounds must be refused with its path, and change nothing', async () => {
    const { version } = await read();
    const ids = Array.from({ length: MAX_ROLLOUT_USERS + 1 }, (_, n) => `u${n}`);
    const cases: readonly (readonly [object, string])[] = [
      [{ mode: 'on' }, '/mode'],
      [{ percentage: 101 }, '/percentage'],
      [{ percentage: -1 }, '/percentage'],
      [{ percentage: 12.5 }, '/percentage'],
      [{ enforce: 'yes' }, '/enforce'],
      [{ version: -1 }, '/version'],
      [{ user_list: ids }, '/user_list'],
      [{ force_legacy: ids }, '/force_legacy'],
      // F32 of the predecessor: lists of one type, ids of another, and no match ever.
      [{ user_list: ['a', 42] }, '/user_list/1'],
      [{ user_list: [''] }, '/user_list/0'],
      [{ force_legacy: ['a', 'b', 'x'.repeat(129)] }, '/force_legacy/2'],
      [{ extra: 1 }, '/extra'],
      [{ user_list: ['a', 'ü'.repeat(65)] }, '/user_list/1'],
      [{ force_legacy: ['\ud800'] }, '/force_legacy/0'],
    ];
    for (const [changes, path] of cases) {
      const answer = await order('rollout', { ...NOBODY, ...changes }, one, 'PUT');
      const { errors } = expectProblem(answer, 400, 'VALIDATION_ERROR');
      expect(errors?.[0]?.path, JSON.stringify(changes).slice(0, 80)).to.equal(path);
    }
    for (const name of ['mode', 'percentage', 'user_list', 'force_legacy', 'enforce']) {
      const { [name]: _, ...rest } = { ...NOBODY } as Record<string, unknown>;
      const { errors } = expectProblem(await order('rollout', rest, one, 'PUT'), 400, 'VALIDATION_ERROR');
      expect(errors?.[0]?.message).to.include(name);
    }
    expectProblem(await call(one, 'rollout', { method: 'PUT', token: admin }), 400, 'VALIDATION_ERROR');
    expectProblem(await rollBack({ why: 'x' }), 400, 'VALIDATION_ERROR');
    expect(await read()).to.include({ version });
    // As much as is allowed is taken, and found again.
    const uuids = Array.from(
      { length: MAX_ROLLOUT_USERS },
      (_, n) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`,
    );
    await set({ mode: 'testing', user_list: uuids, force_legacy: uuids.map((id) => `f${id}`) });
    expect(await me(uuids.at(-1) ?? '')).to.include({ endpoint: 'unified' });
  });

  // Seen red with a roll-back that changes the mode alone, and with one that takes a repeat for a new one.
  it('a roll-back must take everybody back in one call, be repeatable, and be taken back as it was', async () => {
    const lists = { user_list: ['listed'], force_legacy: ['kept'] };
    const { version } = await set({ mode: 'full', percentage: 20, enforce: true, ...lists });
    expect(await me('anybody')).to.include({ endpoint: 'unified', enforced: true });
    const { body } = await rollBack({ reason: 'errors' }, two);
    expect(isChanged(body), JSON.stringify(isChanged.errors)).to.equal(true);
    expect(body).to.deep.include({
      result: 'changed',
      version: version + 1,
      mode: 'disabled',
      enforce: false,
      ...lists,
      percentage: 20,
      missing_nodes: [],
    });
    expect(body.rolled_back).to.deep.include({ mode: 'full', enforce: true, by: 'admin-1', reason: 'errors' });
    expect(body.nodes).to.have.length(2);
    for (const user of ['anybody', 'listed', 'kept'])
      expect(await me(user)).to.include({ endpoint: 'legacy', enforced: false });
    const again = await rollBack({ reason: 'again' });
    expect(again.body).to.deep.include({ result: 'unchanged', version: version + 1, rolled_back: body.rolled_back });
    expect(again.body.nodes).to.have.length(2);
    const restored = await restore({ reason: 'mended' }, two);
    expect(restored.body).to.deep.include({
      result: 'changed',
      version: version + 2,
      mode: 'full',
      enforce: true,
      ...lists,
      percentage: 20,
      rolled_back: null,
    });
    expect(await me('anybody', one)).to.include({ endpoint: 'unified', enforced: true });
    expect(expectProblem(await restore(), 409, 'CONFLICT').details).to.deep.equal({ version: version + 2 });
    const records = await call(one, 'audit?limit=4&target=cluster', { token: admin });
    expect(records.body.records.map(({ action, reason, result }: Json) => [action, reason, result])).to.deep.equal([
      [
        'rollout_restore',
        'mended',
        `changed, version ${version + 2}: full, 20 %, 1 listed, 1 forced to legacy, enforced`,
      ],
      [
        'rollout_rollback',
        'again',
        `unchanged, version ${version + 1}: disabled, 20 %, 1 listed, 1 forced to legacy, not enforced`,
      ],
      [
        'rollout_rollback',
        'errors',
        `changed, version ${version + 1}: disabled, 20 %, 1 listed, 1 forced to legacy, not enforced`,
      ],
      ['rollout_change', '', `changed, version ${version}: full, 20 %, 1 listed, 1 forced to legacy, enforced`],
    ]);
  });

  it('what was set after a roll-back must not be overwritten by taking the roll-back back', async () => {
    await set({ mode: 'full' });
    await rollBack();
    await set({ mode: 'gradual', percentage: 5 });
    expectProblem(await restore(), 409, 'CONFLICT');
    expect(await read()).to.include({ mode: 'gradual', rolled_back: null });
  });

  // Seen red without `compare` in the tick of the node.
  it('a change of which no message came must be in force within seconds all the same', async () => {
    const { version } = await set({ mode: 'testing', user_list: ['listed'] });
    // As if the message of another node's change was lost.
    await world.redis.client().hset('uws:rollout', { tag: 'unheard', version: String(version + 1), mode: 'full' });
    await until(async () => (await metrics(one)).mode === 'full' && (await metrics(two)).mode === 'full', {
      timeoutMs: 10_000,
      what: 'both nodes have read it',
    });
    expect(await metrics(two)).to.deep.equal({ version: version + 1, mode: 'full', ready: true });
  });

  it('a Redis that was emptied must mean the default: everybody to the legacy endpoints', async () => {
    await set({ mode: 'full', enforce: true });
    const client = await world.connect(two);
    await world.redis.client().flushall();
    const told = await client.waitFor('rollout_changed');
    expect(told.data).to.deep.equal({ endpoint: 'legacy', reason: 'disabled', enforced: false });
    await until(async () => (await metrics(one)).version === 0 && (await metrics(two)).version === 0, {
      timeoutMs: 10_000,
      what: 'both nodes know',
    });
    await until(async () => (await metrics(one)).ready && (await metrics(two)).ready, {
      timeoutMs: 10_000,
      what: 'ready',
    });
  });

  // Seen red without `allow-oom` in rollout.lua.
  it('a Redis that is full must not keep an admin from rolling back', async () => {
    await set({ mode: 'full' });
    const redis = world.redis.client();
    await redis.config('SET', 'maxmemory', '1mb');
    try {
      const refused = await redis.set('any', 'thing').catch((error: unknown) => String(error));
      expect(refused).to.include('OOM');
      expect((await rollBack()).body).to.deep.include({ result: 'changed', missing_nodes: [] });
    } finally {
      await redis.config('SET', 'maxmemory', '0');
    }
    expect(await me('anybody')).to.include({ endpoint: 'legacy' });
  });

  it('nonsense in the place of the roll-out must count as the default, and be mended by the next change', async () => {
    const { version } = await set({ mode: 'full' });
    await world.redis.client().hset('uws:rollout', { tag: 'typo', version: String(version + 1), mode: 'ful' });
    await until(async () => (await metrics(two)).mode === 'disabled', { timeoutMs: 10_000, what: 'it is read' });
    expect(await me('anybody')).to.include({ endpoint: 'legacy' });
    await set({ mode: 'full' });
    expect(await me('anybody')).to.include({ endpoint: 'unified' });
  });

  describe('and a node that is cut off', () => {
    let proxy: RedisProxy;
    let cut: LocalNode;

    before(async () => {
      proxy = await RedisProxy.start(world.redis.port);
      cut = await world.node({ ...env, NODE_ID: 'cut', REDIS_URL: proxy.url });
    });
    after(async () => {
      await cut.node.stop();
      await proxy.stop();
    });

    // Seen red with the roll-out not read on the way back (`catchUp` in compose.ts).
    it('must be named by a roll-back, keep the last known, and serve again only by the newest', async () => {
      await set({ mode: 'full' });
      expect(await metrics(cut)).to.include({ mode: 'full', ready: true });
      // Messages of this time are lost for good, not only late.
      proxy.onLink = (link) => link.destroy();
      for (const link of proxy.links) link.destroy();
      try {
        await until(async () => !(await metrics(cut)).ready, { timeoutMs: 10_000, what: 'it noticed' });
        const { body } = await rollBack();
        expect(body).to.deep.include({ result: 'changed', missing_nodes: ['cut'] });
        expect(body.nodes.map(({ node_id }: Json) => node_id)).to.have.members(['one', 'two']);
        expect(body.took_ms).to.be.below(3 * TIMEOUT_MS);
        expect(await metrics(cut)).to.include({ mode: 'full', ready: false });
      } finally {
        proxy.heal();
      }
      const seen: string[] = [];
      await until(
        async () => {
          const { ready, mode } = await metrics(cut);
          seen.push(`${ready} ${mode}`);
          return ready;
        },
        { timeoutMs: 15_000, everyMs: 1, what: 'it is back' },
      );
      expect(seen).not.to.include('true full');
      expect((await rollBack()).body).to.deep.include({ result: 'unchanged', missing_nodes: [] });
    });

    it('must come to a change whose message was lost, although it hears nothing', async () => {
      await set({ mode: 'testing' });
      proxy.subscriber.hold('down');
      const { missing_nodes } = await set({ mode: 'full' });
      expect(missing_nodes).to.deep.equal(['cut']);
      await until(async () => (await metrics(cut)).mode === 'full', { timeoutMs: 10_000, what: 'it has read it' });
      proxy.heal();
      await until(async () => (await metrics(cut)).ready, { timeoutMs: 15_000, what: 'it is back' });
    });

    it('must not take a roll-out over that is older than its own when a late answer comes', async () => {
      await set({ mode: 'testing' });
      for (const link of proxy.commands) link.hold('down');
      // It is told, and its look into Redis hangs.
      const late = put({ mode: 'full' }, two);
      await until(async () => (await metrics(one)).mode === 'full', { what: 'the others have it' });
      proxy.heal();
      expect((await late).body.nodes).to.have.length(3);
      expect(await metrics(cut)).to.include({ mode: 'full' });
    });
  });

  describe('and the clients', () => {
    // Seen red with `established` telling nobody, and with everybody told whatever is decided of him.
    it('must tell each live connection whose own decision changed, and no other', async () => {
      await set({ mode: 'testing', user_list: ['listed'] });
      const [listed, other] = [await world.connect(one, 'listed'), await world.connect(two, '42')];
      // He came to the unified endpoint although he is assigned to the legacy ones.
      const first = await other.waitFor('rollout_changed');
      expect(first.data).to.deep.equal({ endpoint: 'legacy', reason: 'not_listed', enforced: false });
      const told = (client: typeof listed): unknown[] =>
        client.frames.filter(({ type }) => type === 'rollout_changed').map(({ data }) => data);
      expect(told(listed)).to.deep.equal([]);
      await set({ mode: 'gradual', percentage: 50, user_list: ['listed'] });
      await set({ mode: 'full' });
      await set({ mode: 'full', enforce: true });
      await rollBack();
      await listed.waitFor('rollout_changed', ({ data }) => data.endpoint === 'legacy');
      await other.waitFor('rollout_changed', ({ data }) => data.reason === 'disabled');
      expect(told(listed)).to.deep.equal([
        { endpoint: 'unified', reason: 'full', enforced: true },
        { endpoint: 'legacy', reason: 'disabled', enforced: false },
      ]);
      expect(told(other)).to.deep.equal([
        first.data,
        { endpoint: 'unified', reason: 'full', enforced: false },
        { endpoint: 'unified', reason: 'full', enforced: true },
        { endpoint: 'legacy', reason: 'disabled', enforced: false },
      ]);
      // Away while the others were told: the roll-back reaches him when he comes back.
      const back = await world.connect(two, 'listed');
      expect((await back.waitFor('rollout_changed')).data).to.include({ endpoint: 'legacy', reason: 'disabled' });
    });

    it('a front end of another origin must be able to ask before it connects, with any valid token', async () => {
      await set({ mode: 'full' });
      const headers = { origin: 'https://app.example.com' };
      const answer = await call(one, 'rollout/me', { token: token('anybody', { roles: [] }), headers });
      expect(answer.status).to.equal(200);
      expect(answer.headers.get('access-control-allow-origin')).to.equal('*');
      expect(answer.body).to.deep.equal({
        endpoint: 'unified',
        reason: 'full',
        enforced: false,
        paths: {
          unified: '/api/unified/ws',
          legacy: {
            health: '/ws/health',
            dns_management: '/ws/dns_management',
            security: '/ws/security',
            system: '/ws/system',
            admin: '/ws/admin',
          },
        },
      });
      const asked = await call(one, 'rollout/me', { method: 'OPTIONS', headers });
      expect(asked.headers.get('access-control-allow-headers')).to.include('Authorization');
      expectProblem(await call(one, 'rollout/me'), 401, 'AUTH_ERROR');
    });

    it('must all be told the unified endpoint where there is no other, and nothing of a roll-out', async () => {
      const alone = await world.node({ NODE_ID: 'alone' });
      try {
        const client = await world.connect(alone);
        const { nodes } = await set({ mode: 'testing', force_legacy: ['kept'], enforce: true });
        expect(nodes).to.deep.include({ node_id: 'alone', version: (await read()).version, legacy_endpoints: false });
        expect(await me('kept', alone)).to.deep.equal({
          endpoint: 'unified',
          reason: 'legacy_endpoints_off',
          enforced: true,
          paths: { unified: '/api/unified/ws', legacy: {} },
        });
        await client.ask('ping', {}, 'pong');
        expect(client.frames.some(({ type }) => type === 'rollout_changed')).to.equal(false);
      } finally {
        await alone.node.stop();
      }
    });
  });
});
