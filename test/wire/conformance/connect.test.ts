import { expect } from 'chai';
import type { Client, DialOptions } from './support/client.js';
import { covers } from './support/coverage.js';
import { TIME } from './support/frames.js';
import { adminToken, targetOf, userToken } from './support/target.js';
import { until } from './support/wait.js';

/** A client instance id that no other run has. */
const instance = (): string => `conformance_${Math.random().toString(36).slice(2, 12)}`;

describe('connecting', () => {
  covers(
    { server: ['connection_established'] },
    'the first message is connection_established, and says all there is to know',
    async (t) => {
      const client = await t.user();
      const { establishedData } = client;
      expect(client.frames[0]).to.not.have.property('reply_to');
      expect(establishedData).to.include({ is_admin: false, protocol: '1' });
      expect(establishedData.roles).to.deep.equal(['user']);
      expect(establishedData.permissions).to.deep.equal(['events:receive']);
      expect(establishedData.subscriptions).to.be.an('array').that.is.not.empty;
      expect(establishedData.fence).to.be.a('number').that.is.greaterThan(0);
      expect(establishedData.resume).to.deep.equal({ broadcast: 'fresh', user: 'fresh' });
      expect(establishedData.positions).to.have.all.keys('broadcast', 'user');
      expect(establishedData.connected_at).to.match(TIME);
      expect(establishedData.expires_at).to.match(TIME);
      const { limits } = await t.target.info();
      const { max_payload, max_subscriptions, message_rate, message_burst, heartbeat_interval_ms } = limits;
      expect(establishedData.limits).to.deep.equal({ max_payload, max_subscriptions, message_rate, message_burst });
      expect(establishedData.heartbeat_interval_ms).to.equal(heartbeat_interval_ms);
      const admin = await t.admin();
      expect(admin.establishedData.is_admin).to.equal(true);
      expect(admin.establishedData.permissions).to.include.members(['events:receive', 'events:publish', 'admin:stats']);
    },
  );

  const carriers: Readonly<Record<string, () => DialOptions>> = {
    'the Authorization header': () => ({ token: userToken() }),
    'a subprotocol, which is never selected': () => ({ protocols: ['unified.v1', `bearer.${userToken()}`] }),
    'the query': () => ({ query: { token: userToken() } }),
  };
  for (const [name, options] of Object.entries(carriers)) {
    covers({ server: ['connection_established'] }, `a token is taken from ${name}`, async (t) => {
      const client = await t.connect(options());
      // Selecting `bearer.…` would send the token back.
      expect(client.ws.protocol).to.equal(options().protocols ? 'unified.v1' : '');
    });
  }

  covers(
    { client: ['authenticate'], server: ['connection_established'] },
    'a client that can set neither header nor query authenticates by its first message',
    async (t) => {
      const client = await t.dial();
      await client.opened();
      client.send('authenticate', { token: userToken(), client: `${instance()}.1`, resume: '~' }, 'first');
      await client.established();
      expect(client.frames[0]?.reply_to).to.equal('first');
    },
  );

  covers(
    { client: ['authenticate'], errors: ['AUTH_ERROR'], closes: [4100] },
    'a first message that is not authenticate is not worked on',
    async (t) => {
      const client = await t.dial();
      await client.opened();
      client.send('ping', {}, 'first');
      expect(await client.closed()).to.include({ code: 4100, refusal: null });
      expect(client.frames).to.have.length(1);
      expect(client.frames[0]).to.deep.include({ type: 'error', reply_to: 'first' });
      expect(client.frames[0]?.data).to.include({ error_code: 'AUTH_ERROR', recoverable: false });
    },
  );

  covers(
    { client: ['authenticate'], errors: ['VALIDATION_ERROR'], closes: [4100] },
    'authenticate without a token is answered with the place of the fault, and closed',
    async (t) => {
      const client = await t.dial();
      await client.opened();
      client.send('authenticate', { tokn: 'x' }, 'first');
      expect((await client.closed()).code).to.equal(4100);
      expect(client.frames[0]).to.deep.include({ type: 'validation_error', reply_to: 'first' });
    },
  );

  covers({ errors: ['AUTH_ERROR'], closes: [4103] }, 'a connection that brings no token is not kept', async (t) => {
    const { authentication } = await t.target.info();
    t.extend(authentication.timeout_ms);
    const client = await t.dial();
    expect((await client.closed(authentication.timeout_ms + 5000)).code).to.equal(4103);
    expect(client.frames.map(({ data }) => data.error_code)).to.deep.equal(['AUTH_ERROR']);
  });

  covers(
    { errors: ['AUTH_ERROR'], closes: [4100] },
    'a browser, which cannot read the status of a failed upgrade, is told of a bad token by a message and a code',
    async (t) => {
      const good = userToken();
      // Another last character may hold the same bits: the one in the middle of the signature does not.
      const at = good.length - 10;
      const forged = `${good.slice(0, at)}${good[at] === 'A' ? 'B' : 'A'}${good.slice(at + 1)}`;
      for (const [bad, reason] of [
        ['rubbish', 'malformed'],
        [forged, 'bad_signature'],
      ] as const) {
        const client = await t.dial({ token: bad });
        const ending = await client.closed();
        expect(ending).to.include({ code: 4100, refusal: null });
        expect(client.frames).to.have.length(1);
        expect(client.frames[0]?.type).to.equal('error');
        expect(client.frames[0]?.data).to.include({ error_code: 'AUTH_ERROR', recoverable: false });
        expect(client.frames[0]?.data.details).to.deep.equal({ reason });
        expect(JSON.stringify(client.frames) + ending.reason, 'the token comes back').to.not.include(bad);
      }
    },
  );

  covers({}, 'a path where no WebSocket is says so by HTTP', async (t) => {
    const elsewhere = await t.rest('GET', '//nothing/here', { token: null });
    expect(elsewhere.status).to.equal(404);
  });
});

describe('one connection per user', () => {
  covers(
    { closes: [4001] },
    'a newer connection, on whatever node, ends the older one before it is told that it is open',
    async (t) => {
      let before = await t.user();
      for (let n = 0; n < 4; n += 1) {
        const after = await t.dial({ token: userToken() });
        await after.established();
        const { code } = await before.closed();
        expect(code).to.equal(4001);
        expect(after.establishedData.fence).to.be.a('number').that.is.greaterThan(Number(before.establishedData.fence));
        const got = before.frames.length;
        const status = await after.ask('get_connection_status', undefined, 'connection_status');
        expect(status.fence).to.equal(after.establishedData.fence);
        expect(before.frames.length, 'frames after the close').to.equal(got);
        before = after;
      }
    },
  );

  covers(
    { closes: [4001], needs: ['nodes'] },
    'from node to node: each takes the user over from the one before, and what is published on one comes from the other',
    async (t) => {
      const nodes = new Set<unknown>();
      let before: Client | null = null;
      for (const url of t.target.urls) {
        const user = await t.user({}, url);
        nodes.add(user.establishedData.node_id);
        if (before) expect((await before.closed()).code).to.equal(4001);
        const admin = await t.admin(
          {},
          t.target.urls.find((other) => other !== url),
        );
        expect(admin.establishedData.node_id).to.not.equal(user.establishedData.node_id);
        const event = { event_type: 'custom_event', data: {} };
        const { event_id } = await admin.ask('publish_event', event, 'event_accepted');
        await user.event(event_id);
        before = user;
      }
      expect(nodes.size).to.equal(t.target.urls.length);
    },
  );

  covers({ closes: [4001] }, 'of connections that come together, one is left', async (t) => {
    const clients: Client[] = [];
    for (let n = 0; n < 6; n += 1) clients.push(await t.dial({ token: userToken() }));
    const open = (): Client[] => clients.filter((client) => client.isOpen);
    // Each ends, but one: whoever was established before the last claim is closed by it.
    await until(
      () => open().length === 1 && clients.filter(({ ending }) => ending !== null).length === 5,
      'one is left',
    );
    const [last] = open();
    await last?.established();
    for (const { ending } of clients) expect(ending?.code ?? 4001).to.equal(4001);
    const status = await last?.ask('get_connection_status', undefined, 'connection_status');
    expect(status?.connection_id).to.equal(last?.establishedData.connection_id);
  });

  covers(
    { closes: [4206] },
    "a device's newer attempt replaces its own earlier one with a code that says so, and never the other way round",
    async (t) => {
      const id = instance();
      const first = await t.user({ query: { client: `${id}.1` } });
      const second = await t.user({ query: { client: `${id}.2` } });
      expect((await first.closed()).code).to.equal(4206);
      const late = await t.dial({ token: userToken(), query: { client: `${id}.1` } });
      expect((await late.closed()).code).to.equal(4206);
      expect(late.frames.some(({ type }) => type === 'connection_established')).to.equal(false);
      await second.settled();
    },
  );

  covers(
    { errors: ['CONNECTION_LIMIT'], closes: [4010], needs: ['reject'] },
    'with the policy reject the connection that is there stays, and the device itself may come back',
    async (t) => {
      const target = targetOf('reject');
      const id = instance();
      const first = await t.user({ query: { client: `${id}.1` } }, target.next());
      const second = await t.dial({ token: userToken() }, target.next());
      expect((await second.closed()).code).to.equal(4010);
      expect(second.frames[0]?.data).to.include({ error_code: 'CONNECTION_LIMIT' });
      await first.settled();
      const again = await t.user({ query: { client: `${id}.2` } }, target.next());
      expect((await first.closed()).code).to.equal(4206);
      await again.settled();
    },
  );

  covers(
    { errors: ['CONNECTION_LIMIT'], closes: [4203], needs: ['reject'] },
    'with the policy reject a connection that shows no sign of life sends nobody away for good',
    async (t) => {
      const target = targetOf('reject');
      // Not the user of the test before: his entry may not be free yet.
      await t.admin({ pongs: false }, target.next());
      const second = await t.dial({ token: adminToken() }, target.next());
      const { code, reason } = await second.closed();
      expect(code).to.equal(4203);
      expect(reason).to.match(/^reconnect_after_ms=\d+$/);
      expect(second.frames[0]?.data).to.include({ error_code: 'CONNECTION_LIMIT' });
    },
  );

  covers(
    { errors: ['CONNECTION_LIMIT'], needs: ['small'] },
    'a full node says so by the status of the upgrade, and when to come back; who is there already may come again',
    async (t) => {
      const url = targetOf('small').next();
      const user = await t.user({}, url);
      await t.admin({}, url);
      const third = await t.dial({}, url);
      const { refusal } = await third.closed();
      expect(refusal?.status).to.equal(503);
      expect(Number(refusal?.headers['retry-after'])).to.be.greaterThan(0);
      expect(JSON.parse(refusal?.body ?? '')).to.include({ code: 'CONNECTION_LIMIT', status: 503 });
      await t.user({}, url);
      expect((await user.closed()).code).to.equal(4001);
    },
  );
});
