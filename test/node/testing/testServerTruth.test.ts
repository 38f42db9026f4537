import { closeCodes } from '@unified-ws/protocol';
import { expect } from 'chai';
import { until } from '../../support/wait.js';
import { Dialled, MemoryTarget, NodeTarget, type TokenChoices } from './support.js';

/** What is said of the server in memory is said of a node, too: each case runs against both. */
for (const target of [new MemoryTarget(), new NodeTarget()]) {
  describe(`behaviour of ${target.name}`, function () {
    this.timeout(30_000);
    const dialled: Dialled[] = [];
    let users = 0;

    before(() => target.start());
    afterEach(() => {
      const faults = dialled.flatMap((one) => one.faults);
      for (const { socket, ending } of dialled.splice(0)) if (!ending) socket.close();
      expect(faults).to.deep.equal([]);
    });
    after(() => target.stop());

    const name = (): string => {
      users += 1;
      return `user-${users}`;
    };

    function dial(token: string | null, query = ''): Dialled {
      const one = new Dialled(target, token === null ? ['unified.v1'] : ['unified.v1', `bearer.${token}`], query);
      dialled.push(one);
      return one;
    }

    const connect = (user: string, query = '', choices: TokenChoices = {}): Promise<Dialled> =>
      dial(target.token(user, choices), query).opened();

    /** An event with a mark of its own. */
    const publish = (more: object = {}): Promise<string> =>
      target.publish({ event_type: 'custom_event', data: { mark: name() }, ...more });

    /** It was closed with the code, and with the text that belongs to it. */
    async function ended(one: Dialled, code: number): Promise<void> {
      const { reason } = closeCodes.find((known) => known.code === code) ?? {};
      expect(await one.closed()).to.deep.equal({ code, reason });
    }

    const got = (one: Dialled, id: string | undefined) => one.frame(`event ${id}`, (frame) => frame.id === id);

    /** All that was published before has come, or never will. */
    async function settled(one: Dialled): Promise<void> {
      await got(one, await publish());
    }

    it('the first message must say who is connected and what is subscribed', async () => {
      const user = name();
      const one = await connect(user);
      expect(one.frames[0]?.type).to.equal('connection_established');
      expect(one.socket.protocol).to.equal('unified.v1');
      expect(one.established).to.deep.include({
        user_id: user,
        is_admin: false,
        roles: ['user'],
        permissions: ['events:receive'],
        resume: { broadcast: 'fresh', user: 'fresh' },
        heartbeat_interval_ms: 25_000,
        limits: { max_payload: 65_536, max_subscriptions: 200, message_rate: 100, message_burst: 200 },
        protocol: '1',
      });
      expect(one.established.subscriptions).to.include.members(['health_update', 'custom_event']);
    });

    it('a token in the query and in a first message must count as well', async () => {
      await dial(null, `?token=${target.token(name())}`).opened();
      const late = dial(null);
      await until(() => late.socket.readyState === 1, { what: 'it is open' });
      late.send('authenticate', { token: target.token(name()) }, 'first');
      await late.opened();
      expect(late.frames[0]?.reply_to).to.equal('first');
    });

    it('a bad token must be told by a message and a code', async () => {
      const bad = dial('rubbish');
      await ended(bad, 4100);
      expect(bad.frames[0]?.data).to.deep.include({
        error_code: 'AUTH_ERROR',
        recoverable: false,
        details: { reason: 'malformed' },
      });
      const old = dial(target.token(name(), { lifetimeS: -120 }));
      await ended(old, 4101);
      expect(old.frames[0]?.data).to.deep.include({ error_code: 'TOKEN_EXPIRED', details: { reason: 'expired' } });
      const early = dial(null);
      await until(() => early.socket.readyState === 1, { what: 'it is open' });
      early.send('ping', {}, 'first');
      await ended(early, 4100);
      expect(early.frames[0]?.data.details).to.deep.equal({ reason: 'missing' });
    });

    it('requests must be answered by their replies', async () => {
      const one = await connect(name());
      for (const [type, reply] of [
        ['ping', 'pong'],
        ['get_connection_status', 'connection_status'],
        ['health_check', 'health_check_response'],
        ['get_subscription_info', 'subscription_info'],
        ['get_message_preferences', 'message_preferences'],
      ] as const) {
        expect((await one.request(type)).type).to.equal(reply);
      }
      const { data } = await one.request('get_connection_status');
      expect(data).to.deep.include({ status: 'connected', is_healthy: true, fence: one.established.fence });
    });

    it('a request that is not good must be refused with its code, and too many must end the connection', async () => {
      const one = await connect(name());
      const codes = async (type: string, data?: object): Promise<unknown[]> => {
        const frame = await one.request(type, data);
        return [frame.type, frame.data.error_code, frame.data.recoverable];
      };
      expect(await codes('no_such_type')).to.deep.equal(['error', 'UNKNOWN_MESSAGE_TYPE', true]);
      expect(await codes('subscribe_events', {})).to.deep.equal(['validation_error', 'VALIDATION_ERROR', true]);
      expect(await codes('subscribe_events', { event_types: [1] })).to.deep.equal([
        'validation_error',
        'VALIDATION_ERROR',
        true,
      ]);
      expect(await codes('ping', { x: 1 })).to.deep.equal(['validation_error', 'VALIDATION_ERROR', true]);
      expect((await one.request('ping')).type).to.equal('pong');
      expect(await codes('get_connection_stats')).to.deep.equal(['error', 'PERMISSION_DENIED', true]);
      expect(await codes('pong', { connection_id: 'another' })).to.deep.equal(['error', 'VALIDATION_ERROR', true]);
      expect((await one.request('ping')).type).to.equal('pong');
      for (let n = 0; n < 5; n += 1) one.socket.send('rubbish');
      await ended(one, 4008);
      expect(one.frames.at(-1)?.data.error_code).to.equal('MESSAGE_ERROR');
    });

    it('subscriptions must be told in full, and be there on the next connection', async () => {
      const user = name();
      const one = await connect(user);
      const more = await one.request('subscribe_events', {
        event_types: ['user_login', 'nothing', 'webhook_triggered'],
      });
      expect(more.type).to.equal('subscription_updated');
      expect(more.data.subscriptions).to.include('webhook_triggered').and.not.include('user_login');
      expect(more.data.errors).to.deep.equal([
        { event_type: 'user_login', error: 'permission_denied' },
        { event_type: 'nothing', error: 'unknown_event_type' },
      ]);
      const less = await one.request('unsubscribe_events', { event_types: ['custom_event'] });
      expect(less.data.subscriptions).to.not.include('custom_event');
      const two = await connect(user);
      expect(two.established.subscriptions).to.include('webhook_triggered').and.not.include('custom_event');
      const category = await two.request('subscribe_category', { categories: ['custom', 'nothing'] });
      expect(category.data.subscriptions).to.include('custom_event');
      expect(category.data.categories).to.deep.equal(['custom']);
      expect(category.data.errors).to.deep.include({ category: 'nothing', error: 'unknown_category' });
      const none = await two.request('unsubscribe_category', { categories: ['custom'] });
      expect(none.data.subscriptions).to.not.include('custom_event').and.not.include('webhook_triggered');
    });

    it('an event must reach whom it is for, and nobody else', async () => {
      const [a, b] = [name(), name()];
      const [one, two] = [await connect(a), await connect(b)];
      await two.request('unsubscribe_events', { event_types: ['health_update'] });
      const all = await publish({ priority: 'high', severity: 'error', metadata: { trace: 'x' } });
      const health = await publish({ event_type: 'health_update' });
      const own = await publish({ target_user_ids: [a] });
      const others = await publish({ exclude: [a] });
      const admins = await publish({ roles: ['admin'] });
      const [inOne, inTwo] = [await got(one, all), await got(two, all)];
      await got(one, own);
      await settled(one);
      await settled(two);
      expect(inOne).to.deep.include({ scope: 'broadcast', priority: 'high', severity: 'error', category: 'custom' });
      expect(inOne).to.deep.include({ metadata: { trace: 'x' }, position: inTwo.position });
      expect(one.ids).to.include.members([all, health, own]).and.not.include.members([others]).and.not.include(admins);
      expect(two.ids)
        .to.include.members([all, others])
        .and.not.include(health)
        .and.not.include(own)
        .and.not.include(admins);
      expect((await got(one, own)).scope).to.equal('user');
    });

    it('what was missed must follow a resume, in order and once', async () => {
      const user = name();
      const one = await connect(user);
      const seen = await publish();
      const { position } = await got(one, seen);
      const mine = await publish({ target_user_ids: [user] });
      const { position: mailbox } = await got(one, mine);
      one.socket.close(1000);
      await one.closed();
      const missed = [await publish(), await publish()];
      const missedMine = [await publish({ target_user_ids: [user] }), await publish({ target_user_ids: [user] })];
      const two = await connect(user, `?resume=${position}~${mailbox}`);
      expect(two.established.resume).to.deep.equal({ broadcast: 'full', user: 'full' });
      await settled(two);
      await got(two, missedMine[1]);
      const [broadcast, targeted] = ['broadcast', 'user'].map((scope) =>
        two.events.filter((frame) => frame.scope === scope),
      );
      expect(broadcast?.slice(0, 2).map(({ id }) => id)).to.deep.equal(missed);
      expect(targeted?.map(({ id }) => id)).to.deep.equal(missedMine);
      const none = await connect(user, '?resume=another.7.x~another.7.x');
      expect(none.established.resume).to.deep.equal({ broadcast: 'none', user: 'none' });
      const rubbish = await connect(user, '?resume=rubbish');
      expect(rubbish.established.resume).to.deep.equal({ broadcast: 'fresh', user: 'fresh' });
    });

    it('the positions of an established connection must be good for a resume before any event came', async () => {
      const user = name();
      const one = await connect(user);
      const { broadcast } = one.established.positions as { broadcast: string | null };
      one.socket.close();
      await one.closed();
      const missed = await publish();
      const two = await connect(user, `?resume=${broadcast ?? ''}~`);
      expect(two.established.resume).to.deep.equal({ broadcast: 'full', user: 'fresh' });
      await got(two, missed);
    });

    it('an event for one user must come again until it is acknowledged', async () => {
      const user = name();
      const one = await connect(user);
      const [first, second] = [await publish({ target_user_ids: [user] }), await publish({ target_user_ids: [user] })];
      const { position } = await got(one, first);
      const later = (await got(one, second)).position;
      one.send('ack', { user: position });
      await one.request('ping');
      // A node stores acknowledgements together, a little later.
      const two = await until(
        async () => {
          const next = await connect(user);
          await settled(next);
          return next.ids.includes(first) ? null : next;
        },
        { what: 'the acknowledgement is stored', everyMs: 50 },
      );
      expect(two.ids).to.include(second);
      const three = await connect(user, `?resume=~${later}`);
      expect(three.established.resume).to.deep.include({ user: 'full' });
      await settled(three);
      expect(three.ids).to.not.include(second);
      expect((await three.request('ack', { user: 'rubbish' })).type).to.equal('validation_error');
    });

    it('a newer connection must end the older one, and an older attempt must not end a newer one', async () => {
      const user = name();
      const one = await connect(user);
      const two = await connect(user, '?client=testing-client.2');
      await ended(one, 4001);
      expect(two.established.fence).to.be.above(Number(one.established.fence));
      const three = await connect(user, '?client=testing-client.3');
      await ended(two, 4206);
      const late = dial(target.token(user), '?client=testing-client.1');
      await ended(late, 4206);
      expect((await three.request('ping')).type).to.equal('pong');
    });

    it('a token must be renewed in place, and only by one of the same user', async () => {
      const user = name();
      const one = await connect(user);
      const wrong = await one.request('refresh_token', { token: target.token(name()) });
      expect(wrong.data).to.deep.include({
        error_code: 'AUTH_ERROR',
        recoverable: true,
        details: { reason: 'wrong_user' },
      });
      const bad = await one.request('refresh_token', { token: 'rubbish' });
      expect(bad.data).to.deep.include({ error_code: 'AUTH_ERROR', recoverable: true });
      const good = await one.request('refresh_token', { token: target.token(user, { lifetimeS: 7200 }) });
      expect(good.type).to.equal('token_refreshed');
      expect(good.data.removed_subscriptions).to.deep.equal([]);
      expect(Date.parse(String(good.data.expires_at))).to.be.above(Date.parse(String(one.established.expires_at)));
    });

    it('a client must be told that its token ends soon', async () => {
      const one = await connect(name(), '', { lifetimeS: 5 });
      const told = await one.frame('token_expiring', ({ type }) => type === 'token_expiring');
      expect(told.data.expires_at).to.equal(one.established.expires_at);
    });

    it('preferences must hold from the reply on, and on the next connection', async () => {
      const user = name();
      const one = await connect(user);
      const preferences = { muted_event_types: ['health_update'], priority_filter: 'normal' };
      const updated = await one.request('set_message_preferences', { preferences });
      expect(updated.data.preferences).to.deep.include(preferences);
      const muted = await publish({ event_type: 'health_update' });
      const low = await publish({ priority: 'low' });
      await settled(one);
      expect(one.ids).to.not.include(muted).and.not.include(low);
      const two = await connect(user);
      const kept = await two.request('get_message_preferences');
      expect(kept.data.preferences).to.deep.include(preferences);
      const bad = await two.request('set_message_preferences', { preferences: { priority_filter: 'loud' } });
      expect(bad.type).to.equal('validation_error');
    });

    it('an event that a client publishes must be accepted once per id, and only with the permission', async () => {
      const one = await connect(name(), '', { permissions: ['events:publish'] });
      const event = { event_type: 'custom_event', data: { n: 1 }, id: 'order-17' };
      const first = await one.request('publish_event', event);
      expect(first.type).to.equal('event_accepted');
      expect(first.data).to.deep.include({ duplicate: false, payload_differs: false });
      expect((await got(one, String(first.data.event_id))).data).to.deep.equal({ n: 1 });
      const again = await one.request('publish_event', event);
      expect(again.data).to.deep.include({ event_id: first.data.event_id, duplicate: true, payload_differs: false });
      const other = await one.request('publish_event', { ...event, data: { n: 2 } });
      expect(other.data).to.deep.include({ duplicate: true, payload_differs: true });
      const unknown = await one.request('publish_event', { event_type: 'nothing', data: {} });
      expect(unknown.data.errors).to.deep.include({ path: '/event_type', message: 'is not in the event catalogue' });
      await settled(one);
      expect(one.ids.filter((id) => id === first.data.event_id)).to.have.length(1);
      const two = await connect(name());
      expect((await two.request('publish_event', event)).data.error_code).to.equal('PERMISSION_DENIED');
    });

    it('an ephemeral event must come without a position, and not after a resume', async () => {
      const user = name();
      const one = await connect(user);
      const mark = await publish();
      const { position } = await got(one, mark);
      const shown = await publish({ delivery: 'ephemeral' });
      expect((await got(one, shown)).position).to.equal(null);
      const two = await connect(user, `?resume=${position}~`);
      expect(two.established.resume).to.deep.include({ broadcast: 'full' });
      await settled(two);
      expect(two.ids).to.not.include(shown);
    });
  });
}
