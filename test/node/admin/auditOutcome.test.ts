import { type Actor, Audit } from '@unified-ws/server/admin/audit/audit';
import { Keys } from '@unified-ws/server/redis/keys';
import { AppError } from '@unified-ws/server/util/appError';
import { systemClock } from '@unified-ws/server/util/clock';
import { expect } from 'chai';
import { Redis } from 'ioredis';
import { pino } from 'pino';
import { adminToken } from '../../support/tokens.js';
import { until } from '../../support/wait.js';
import { type Call, call, type Json } from '../../unit/server/http/support.js';
import { type LocalNode, World } from '../support/world.js';

const ACTOR: Actor = { userId: 'ann', ip: '::1', via: 'rest', roles: new Set(), permissions: new Set() };

describe('orders on record', function () {
  this.timeout(20_000);
  const world = new World();
  let node: LocalNode;
  let redis: Redis;
  const reported: unknown[] = [];

  before(async () => {
    await world.start();
    redis = world.redis.client();
    node = await world.node();
  });
  after(() => world.stop());

  const auditOver = (client: Redis): Audit =>
    new Audit({
      redis: client,
      keys: new Keys('uws'),
      clock: systemClock,
      logger: pino({ level: 'silent' }),
      report: (error) => reported.push(error),
      shownAddress: (ip) => ip,
    });
  const records = async (query: string): Promise<{ records: Json[]; next_cursor: string | null }> =>
    (await call(node, `audit${query}`, { token: adminToken() })).body;
  const order = (target: string) => ({ action: 'test', target, reason: 'why', details: { n: 1 } });
  const failing = (code: 'UNAVAILABLE' | 'CONFLICT') => () => Promise.reject(new AppError(code, 'it failed'));

  // Seen red with the record written after the effect, as it was: there was none.
  it('an order whose node died in its midst must be on record, and say that its outcome is not known', async () => {
    let atEffect: Json[] = [];
    const effect = new Promise<void>((resolve) => {
      void auditOver(redis).order(ACTOR, order('in-its-midst'), async () => {
        atEffect = (await records('?target=in-its-midst')).records;
        resolve();
        return new Promise<never>(() => undefined);
      });
    });
    await effect;
    expect(atEffect).to.have.length(1);
    const [found] = (await records('?target=in-its-midst')).records;
    expect(found).to.include({
      action: 'test',
      actor: 'ann',
      reason: 'why',
      details: '{"n":1}',
      result: 'outcome not known',
      outcome: 'unknown',
      ended_at: null,
    });
  });

  it('one that failed says whether it may have taken effect all the same', async () => {
    for (const [code, outcome] of [
      ['UNAVAILABLE', 'unknown'],
      ['CONFLICT', 'refused'],
    ] as const) {
      const failed = auditOver(redis).order(ACTOR, order(`failed-${code}`), failing(code));
      expect(
        await failed.then(
          () => null,
          (error: AppError) => error.code,
        ),
      ).to.equal(code);
      const record = await until(
        async () => {
          const [newest] = (await records(`?target=failed-${code}`)).records;
          return newest?.ended_at && newest;
        },
        { what: 'its end' },
      );
      expect(record).to.include({ result: code, outcome });
    }
  });

  it('an end that lies beyond the page must be found, and each order stand on one page', async () => {
    const audit = auditOver(redis);
    const ends: (() => void)[] = [];
    const done = Array.from({ length: 6 }, (_, n) =>
      audit.order({ ...ACTOR, userId: 'pager' }, order(`paged-${n}`), async () => {
        await new Promise<void>((resolve) => ends.push(resolve));
        return [null, `end ${n}`];
      }),
    );
    await until(() => ends.length === 6, { what: 'all are begun' });
    for (const end of ends.reverse()) end();
    await Promise.all(done);
    await until(async () => (await records('?actor=pager')).records.every(({ ended_at }) => ended_at !== null), {
      what: 'all have ended',
    });
    const found: Json[] = [];
    for (let query = '?actor=pager&limit=2'; ; ) {
      const page = await records(query);
      found.push(...page.records);
      if (page.next_cursor === null) break;
      query = `?actor=pager&limit=2&cursor=${page.next_cursor}`;
    }
    expect(found.map(({ target, result, outcome }) => `${target} ${result} ${outcome}`)).to.have.members(
      Array.from({ length: 6 }, (_, n) => `paged-${n} end ${n} done`),
    );
  });

  it('a Redis that is full must not keep an order off the record, nor one that is away hold it up', async () => {
    await redis.config('SET', 'maxmemory', '1');
    try {
      await auditOver(redis).order(ACTOR, order('full'), async () => [null, 'done']);
      await until(async () => (await records('?target=full')).records[0]?.outcome === 'done', { what: 'its record' });
    } finally {
      await redis.config('SET', 'maxmemory', '0');
    }
    const away = new Redis({ port: 1, lazyConnect: true, enableOfflineQueue: false, retryStrategy: () => null });
    away.on('error', () => undefined);
    reported.length = 0;
    expect(await auditOver(away).order(ACTOR, order('away'), async () => ['answer', 'done'])).to.equal('answer');
    await until(() => reported.length === 2, { what: 'both entries are reported' });
    away.disconnect();
  });

  it('every order takes a reason, and the record shows it', async () => {
    const reason = 'because';
    const lists = { user_list: [], force_legacy: [] };
    const orders: readonly (readonly [action: string, path: string, how: Call])[] = [
      ['disconnect', 'disconnect/nobody', { json: { reason } }],
      ['ban', 'disconnect/nobody', { json: { reason, ban_seconds: 1 } }],
      ['unban', `users/nobody/ban?reason=${reason}`, { method: 'DELETE' }],
      ['revoke', 'users/nobody/revoke', { json: { session: 's', reason } }],
      ['permissions_changed', 'users/nobody/permissions-changed', { json: { roles: ['user'], reason } }],
      ['drain', 'nodes/nobody/drain', { json: { reason } }],
      ['catalogue_reload', 'catalogue/reload', { json: { reason } }],
      ['pause_queue', 'queue/pause', { json: { reason } }],
      ['resume_queue', 'queue/resume', { json: { reason } }],
      ['clear_queue', `queue?reason=${reason}`, { method: 'DELETE' }],
      ['retry_failed', 'queue/retry-failed', { json: { reason } }],
      ['retry_job', 'queue/jobs/events-0.none/retry', { json: { reason } }],
      ['delete_job', `queue/jobs/events-0.none?reason=${reason}`, { method: 'DELETE' }],
      [
        'rollout_change',
        'rollout',
        { method: 'PUT', json: { mode: 'disabled', percentage: 0, ...lists, enforce: false, reason } },
      ],
      ['rollout_rollback', 'rollout/rollback', { json: { reason } }],
      ['rollout_restore', 'rollout/restore', { json: { reason } }],
    ];
    const actor = 'reasoner';
    for (const [action, path, how] of orders) {
      const { status } = await call(node, path, { token: adminToken(actor), ...how });
      expect(status, action).to.be.oneOf([200, 404, 409]);
    }
    const admin = await world.connect(node, actor, ['admin']);
    await admin.ask('broadcast_admin_message', { message: 'x', reason }, 'admin_broadcast_sent');
    await admin.ask('disconnect_user', { user_id: 'nobody', reason }, 'user_disconnected');
    for (const type of ['pause_event_queue', 'resume_event_queue', 'clear_event_queue', 'retry_failed_events']) {
      expect((await admin.request(type, { reason })).type).to.not.equal('error');
    }
    const found = (await records(`?actor=${actor}&limit=100`)).records;
    expect(found).to.have.length(orders.length + 6);
    for (const record of found) expect(record, record.action).to.include({ reason });
    expect(found.map(({ action }) => action)).to.include.members([...orders.map(([action]) => action), 'broadcast']);
  });
});
