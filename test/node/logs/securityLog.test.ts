import { CLOSE, REST_BASE } from '@unified-ws/protocol';
import { expect } from 'chai';
import { TestClient } from '../../support/client.js';
import { Cluster } from '../../support/cluster.js';
import { type RedisServer, startRedis } from '../../support/redis.js';
import { adminToken, token } from '../../support/tokens.js';
import { until } from '../../support/wait.js';

/** What an investigator has: records of the security log, of all nodes, in the order of their times. */
interface Entry {
  readonly event: string;
  readonly reason: string;
  readonly via: string;
  readonly ip?: string;
  readonly conn?: string;
  readonly user?: string;
  readonly sid?: string | null;
  readonly jti?: string | null;
  readonly token_id?: string;
  readonly claimed_user?: string;
  readonly by?: string;
  readonly what?: string;
  readonly permission?: string;
  readonly code?: number;
  readonly grants?: readonly string[];
}

const HOME = '198.51.100.7';
const THIEF = '203.0.113.9';
const FORGER = '203.0.113.66';

describe('whoever reads the security log of the nodes', function () {
  this.timeout(60_000);
  let redis: RedisServer;
  let cluster: Cluster;
  const lines: { readonly time: string; readonly security: Entry }[] = [];
  const clients: TestClient[] = [];

  before(async () => {
    redis = await startRedis();
    cluster = await Cluster.start({
      redisUrl: redis.url,
      nodes: 2,
      // The level of the default.
      env: { LOG_LEVEL: 'info', TRUST_PROXY: '1', EVENT_QUEUE_PARTITIONS: '1', JWT_GRANTS: 'role:*,events:*' },
    });
    for (const node of cluster.nodes) {
      node.log.onLine = (line) => {
        const record = JSON.parse(line) as { time: string; security?: Entry };
        if (record.security) lines.push({ time: record.time, security: record.security });
      };
    }
  });
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.close()));
  });
  after(async () => {
    await cluster.stop();
    await redis.stop();
  });

  const log = (): Entry[] => [...lines].sort((a, b) => (a.time < b.time ? -1 : 1)).map(({ security }) => security);
  const found = async (what: string, fits: (entry: Entry) => boolean): Promise<Entry> => {
    await until(() => log().some(fits), { what: () => `${what}; ${JSON.stringify(log().slice(-8))}` });
    return log().find(fits) as Entry;
  };

  function dial(node: number, text: string, from: string): TestClient {
    const client = new TestClient(cluster.node(node).ws, { token: text, headers: { 'x-forwarded-for': from } });
    clients.push(client);
    return client;
  }

  async function request(path: string, text: string, from: string, method = 'GET'): Promise<number> {
    const response = await fetch(`${cluster.node(0).http}${REST_BASE}/${path}`, {
      method,
      headers: { authorization: `Bearer ${text}`, 'x-forwarded-for': from },
    });
    await response.arrayBuffer();
    return response.status;
  }

  it('must find a stolen token: the same one from two addresses, and the owner replaced by the thief', async () => {
    const stolen = token('alice', { claims: { sid: 'session-a', jti: 'jti-a' } });
    const owner = dial(0, stolen, HOME);
    await owner.established();
    const thief = dial(1, stolen, THIEF);
    const { connection_id: by } = await thief.established();
    expect((await owner.ended).code).to.equal(CLOSE.SUPERSEDED);
    const replaced = await found('the replacement', ({ event, user }) => event === 'replaced' && user === 'alice');
    expect(replaced).to.include({ ip: HOME, sid: 'session-a', by, reason: String(CLOSE.SUPERSEDED) });
    // The one who took the place, by its connection id, on whatever node.
    const taker = await found('the taker', ({ event, conn }) => event === 'connect' && conn === by);
    expect(taker).to.include({ ip: THIEF, user: 'alice', sid: 'session-a', jti: 'jti-a', reason: 'displaced' });
    const addresses = (of: (entry: Entry) => unknown): string[][] => {
      const seen = new Map<unknown, Set<string>>();
      for (const entry of log()) {
        const key = of(entry);
        if (key == null || entry.event !== 'connect') continue;
        seen.set(key, (seen.get(key) ?? new Set()).add(entry.ip ?? ''));
      }
      return [...seen.values()].filter((ips) => ips.size > 1).map((ips) => [...ips]);
    };
    expect(addresses(({ jti }) => jti)).to.deep.equal([[HOME, THIEF]]);
    expect(addresses(({ token_id }) => token_id)).to.deep.equal([[HOME, THIEF]]);
    const closed = await found('the close', ({ event, conn }) => event === 'close' && conn === replaced.conn);
    expect(closed).to.include({ code: CLOSE.SUPERSEDED, ip: HOME });
  });

  it('must find a token that is replayed without a `jti`, over REST too', async () => {
    const replayed = token('bob');
    await dial(0, replayed, HOME).established();
    expect(await request('stats', replayed, THIEF)).to.equal(403);
    const refused = await found('the order', ({ event, user }) => event === 'order_refused' && user === 'bob');
    expect(refused).to.include({ ip: THIEF, via: 'rest', permission: 'admin:stats' });
    expect(refused.what).to.match(/^GET .*\/stats$/);
    const { token_id } = await found('the connect', ({ event, user }) => event === 'connect' && user === 'bob');
    expect(refused.token_id).to.equal(token_id);
  });

  it('must find a forged token, from where, and whose it pretends to be', async () => {
    const forged = token('alice', { roles: ['admin'], secret: 'a-secret-that-nobody-here-knows-0123456789' });
    await dial(0, forged, FORGER).ended;
    await request('stats', forged, FORGER);
    for (const via of ['websocket', 'rest']) {
      const entry = await found(`forged by ${via}`, (one) => one.reason === 'bad_signature' && one.via === via);
      expect(entry).to.include({ event: 'token_refused', ip: FORGER, claimed_user: 'alice' });
      expect(entry, 'nothing of it is proven').not.to.have.any.keys('user', 'sid');
    }
  });

  it('must find an expired token and whose it was', async () => {
    const expired = token('carol', { lifetimeS: -60, claims: { sid: 'session-c' } });
    await dial(0, expired, HOME).ended;
    const entry = await found('the token', ({ reason }) => reason === 'expired');
    expect(entry).to.include({ event: 'token_refused', user: 'carol', sid: 'session-c', ip: HOME });
    // Beside a connection that is open, as a new token for it.
    const client = dial(0, token('carol'), HOME);
    await client.established();
    await client.request('refresh_token', { token: expired });
    await found(
      'the refresh',
      ({ reason, what, user }) => reason === 'expired' && what === 'refresh_token' && user === 'carol',
    );
  });

  it('must find who goes on with a token after it was revoked', async () => {
    const stolen = token('dora', { claims: { sid: 'session-d' } });
    await dial(0, stolen, HOME).established();
    const body = await fetch(`${cluster.node(0).http}${REST_BASE}/users/dora/revoke`, {
      method: 'POST',
      headers: { authorization: `Bearer ${adminToken()}`, 'content-type': 'application/json' },
      body: JSON.stringify({ session: 'session-d' }),
    });
    expect(body.status).to.equal(200);
    await found(
      'the end',
      ({ event, user, code }) => event === 'close' && user === 'dora' && code === CLOSE.TOKEN_REVOKED,
    );
    await dial(1, stolen, THIEF).ended;
    const entry = await found('the return', ({ event, user }) => event === 'token_refused' && user === 'dora');
    expect(entry).to.include({ reason: 'revoked', ip: THIEF, sid: 'session-d' });
  });

  it('must find orders of somebody who may not give them, and what a token asked for beyond its cap', async () => {
    const client = dial(
      0,
      token('mallory', { claims: { permissions: ['admin:disconnect', 'events:publish'] } }),
      THIEF,
    );
    await client.established();
    await client.request('disconnect_user', { user_id: 'alice' });
    const order = await found(
      'the order',
      ({ event, via, user }) => event === 'order_refused' && via === 'websocket' && user === 'mallory',
    );
    expect(order).to.include({ what: 'disconnect_user', permission: 'admin:disconnect', ip: THIEF });
    const grant = await found('the grant', ({ event, user }) => event === 'grant_refused' && user === 'mallory');
    expect(grant.grants).to.deep.equal(['admin:disconnect']);
  });
});
