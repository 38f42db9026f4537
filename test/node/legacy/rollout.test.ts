import { MAX_ROLLOUT_USERS, userRolloutSchema } from '@unified-ws/protocol';
import { Ajv } from 'ajv';
import { expect } from 'chai';
import { token } from '../../support/tokens.js';
import { call, expectProblem, type Json } from '../../unit/server/http/support.js';
import { admin, changed, me, NO_ROLLOUT, put, read, restore, rollBack, set } from '../support/rollout.js';
import { type LocalNode, World } from '../support/world.js';

describe('the roll-out', function () {
  this.timeout(20_000);
  const isUser = new Ajv({ strict: false }).compile(userRolloutSchema);
  const world = new World();
  let one: LocalNode;
  let two: LocalNode;

  before(async () => {
    await world.start();
    const node = (id: string) => world.node({ LEGACY_ENDPOINTS: 'true', NODE_ID: id });
    [one, two] = await Promise.all([node('one'), node('two')]);
  });
  afterEach(async () => {
    await world.endClients();
    await set(one, {});
  });
  after(() => world.stop());

  it('a change must be in force on every node when it is answered, or a user finds another answer at each', async () => {
    const { version } = await read(one);
    const lists = { user_list: ['listed', 'both'], force_legacy: ['kept', 'both'] };
    const body = await set(one, { mode: 'gradual', percentage: 34, enforce: true, ...lists });
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
      expect(await me(node, 'listed')).to.include({ endpoint: 'unified', reason: 'user_list', enforced: true });
      expect(await me(node, 'kept')).to.include({ endpoint: 'legacy', reason: 'force_legacy', enforced: false });
      expect(await me(node, 'both')).to.include({ endpoint: 'legacy', reason: 'force_legacy' });
      // Buckets 33 and 87.
      expect(await me(node, 'user-1')).to.include({ endpoint: 'unified', reason: 'within_percentage' });
      expect(await me(node, '42')).to.include({ endpoint: 'legacy', reason: 'beyond_percentage' });
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
    await set(one, { mode: 'testing', percentage: 34, user_list: ['listed'], force_legacy: ['kept'] });
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
    const { version } = await read(one);
    const answers = await Promise.all([
      put(one, { mode: 'testing', version }),
      put(two, { mode: 'full', version }),
      put(two, { mode: 'gradual', version }),
    ]);
    const refused = answers.filter(({ status }) => status !== 200);
    expect(refused).to.have.length(2);
    for (const answer of refused) {
      expect(expectProblem(answer, 409, 'CONFLICT').details).to.deep.equal({ version: version + 1 });
    }
    expect(await read(one)).to.include({ version: version + 1 });
    // Without a version each comes after the other, and none is lost.
    const many = await Promise.all(Array.from({ length: 6 }, (_, n) => put(n % 2 ? one : two, { percentage: n })));
    const versions = many.map(({ body }) => body.version).sort((a: number, b: number) => a - b);
    expect(versions).to.deep.equal(Array.from({ length: 6 }, (_, n) => version + 2 + n));
  });

  // Seen red without the look at bytes (the last two).
  it('what is out of bounds must be refused with its path, and change nothing', async () => {
    const { version } = await read(one);
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
      const answer = await put(one, changes);
      const { errors } = expectProblem(answer, 400, 'VALIDATION_ERROR');
      expect(errors?.[0]?.path, JSON.stringify(changes).slice(0, 80)).to.equal(path);
    }
    for (const name of ['mode', 'percentage', 'user_list', 'force_legacy', 'enforce']) {
      const { [name]: _, ...rest } = { ...NO_ROLLOUT } as Record<string, unknown>;
      const { errors } = expectProblem(
        await call(one, 'rollout', { method: 'PUT', json: rest, token: admin }),
        400,
        'VALIDATION_ERROR',
      );
      expect(errors?.[0]?.message).to.include(name);
    }
    expectProblem(await call(one, 'rollout', { method: 'PUT', token: admin }), 400, 'VALIDATION_ERROR');
    expectProblem(await rollBack(one, { why: 'x' }), 400, 'VALIDATION_ERROR');
    expect(await read(one)).to.include({ version });
    // As much as is allowed is taken, and found again.
    const uuids = Array.from(
      { length: MAX_ROLLOUT_USERS },
      (_, n) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`,
    );
    await set(one, { mode: 'testing', user_list: uuids, force_legacy: uuids.map((id) => `f${id}`) });
    expect(await me(two, uuids.at(-1) ?? '')).to.include({ endpoint: 'unified' });
  });

  // Seen red with a roll-back that changes the mode alone, and with one that takes a repeat for a new one.
  it('a roll-back must take everybody back in one call, be repeatable, and be taken back as it was', async () => {
    const lists = { user_list: ['listed'], force_legacy: ['kept'] };
    const { version } = await set(one, { mode: 'full', percentage: 20, enforce: true, ...lists });
    expect(await me(two, 'anybody')).to.include({ endpoint: 'unified', enforced: true });
    const { body } = await rollBack(two, { reason: 'errors' });
    expect(changed(body)).to.deep.include({
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
      expect(await me(two, user)).to.include({ endpoint: 'legacy', enforced: false });
    const again = await rollBack(one, { reason: 'again' });
    expect(again.body).to.deep.include({ result: 'unchanged', version: version + 1, rolled_back: body.rolled_back });
    expect(again.body.nodes).to.have.length(2);
    const restored = await restore(two, { reason: 'mended' });
    expect(restored.body).to.deep.include({
      result: 'changed',
      version: version + 2,
      mode: 'full',
      enforce: true,
      ...lists,
      percentage: 20,
      rolled_back: null,
    });
    expect(await me(one, 'anybody')).to.include({ endpoint: 'unified', enforced: true });
    expect(expectProblem(await restore(one), 409, 'CONFLICT').details).to.deep.equal({ version: version + 2 });
    const records = await call(one, 'audit?limit=5&target=cluster', { token: admin });
    expect(records.body.records.map(({ action, reason, result }: Json) => [action, reason, result])).to.deep.equal([
      // Refused, and on record all the same.
      ['rollout_restore', '', 'CONFLICT'],
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
    await set(one, { mode: 'full' });
    await rollBack(one);
    await set(one, { mode: 'gradual', percentage: 5 });
    expectProblem(await restore(one), 409, 'CONFLICT');
    expect(await read(one)).to.include({ mode: 'gradual', rolled_back: null });
  });

  describe('and the clients', () => {
    // Seen red with `established` telling nobody, and with everybody told whatever is decided of him.
    it('must tell each live connection whose own decision changed, and no other', async () => {
      await set(one, { mode: 'testing', user_list: ['listed'] });
      const [listed, other] = [await world.connect(one, 'listed'), await world.connect(two, '42')];
      // He came to the unified endpoint although he is assigned to the legacy ones.
      const first = await other.waitFor('rollout_changed');
      expect(first.data).to.deep.equal({ endpoint: 'legacy', reason: 'not_listed', enforced: false });
      const reported = (client: typeof listed): unknown[] =>
        client.frames.filter(({ type }) => type === 'rollout_changed').map(({ data }) => data);
      expect(reported(listed)).to.deep.equal([]);
      await set(one, { mode: 'gradual', percentage: 50, user_list: ['listed'] });
      await set(one, { mode: 'full' });
      await set(one, { mode: 'full', enforce: true });
      await rollBack(one);
      await listed.waitFor('rollout_changed', ({ data }) => data.endpoint === 'legacy');
      await other.waitFor('rollout_changed', ({ data }) => data.reason === 'disabled');
      expect(reported(listed)).to.deep.equal([
        { endpoint: 'unified', reason: 'full', enforced: true },
        { endpoint: 'legacy', reason: 'disabled', enforced: false },
      ]);
      expect(reported(other)).to.deep.equal([
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
      await set(one, { mode: 'full' });
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
        const { nodes } = await set(one, { mode: 'testing', force_legacy: ['kept'], enforce: true });
        expect(nodes).to.deep.include({
          node_id: 'alone',
          version: (await read(one)).version,
          legacy_endpoints: false,
        });
        expect(await me(alone, 'kept')).to.deep.equal({
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
