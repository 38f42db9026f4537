import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '@unified-ws/server/util/clock';
import { expect } from 'chai';
import { TestClient } from '../support/client.js';
import { Cluster } from '../support/cluster.js';
import { type RedisServer, startRedis } from '../support/redis.js';
import { token } from '../support/tokens.js';
import { until } from '../support/wait.js';
import { chaosConfig } from './support/config.js';
import { Ledger } from './support/ledger.js';
import { Publisher } from './support/publisher.js';

/** Less than the lease: the paused node keeps its right to deliver, so waiting for it is all that keeps two apart. */
const PAUSE_MS = 2000;
const { plays } = chaosConfig();

if (plays('directed')) {
  describe('three claims, the first of them on a paused node', function () {
    this.timeout(60_000);
    let redis: RedisServer;
    let cluster: Cluster;
    let ledger: Ledger;
    let publisher: Publisher;

    before(async () => {
      ledger = new Ledger();
      redis = await startRedis();
      cluster = await Cluster.start({ redisUrl: redis.url, onRecord: (node, record) => ledger.take(node, record) });
      publisher = new Publisher('publisher', cluster.node(2), 20);
      await publisher.start();
    });

    after(async () => {
      await publisher.stop();
      await cluster.kill();
      await redis.stop();
    });

    // With the replaced list taken out of claim.lua the third waits for the second alone, and two are current for 2 s.
    it('establishes the third only when the first is closed, not when the second is (C2)', async () => {
      const signed = token('user-1');
      const registry = redis.client();
      const key = 'uws:{u:user-1}:conn';
      const [node0, node1, node2] = [cluster.node(0), cluster.node(1), cluster.node(2)];
      const c0 = new TestClient(node0.ws, { token: signed });
      const establishedData0 = await c0.established();
      await until(() => c0.events.length > 0, { what: 'c0 receives broadcasts' });

      node0.pause();
      const pausedAt = systemClock.mono();
      const c1 = new TestClient(node1.ws, { token: signed });
      await until(async () => (await registry.hget(key, 'conn')) !== establishedData0.connection_id, {
        what: 'c1 claims',
      });
      const c2 = new TestClient(node2.ws, { token: signed });
      const second = await c1.closed();
      await sleep(Math.max(0, pausedAt + PAUSE_MS - systemClock.mono()));
      expect(c2.establishedData, 'connection_established of c2 while c0 is not closed').to.equal(null);
      node0.resume();
      const resumedAt = systemClock.mono();

      const establishedData = await c2.established();
      const first = await c0.closed();
      expect([first.code, second.code]).to.deep.equal([4001, 4001]);
      expect(c1.establishedData, 'connection_established of c1').to.equal(null);
      expect(c2.establishedAt).to.be.above(resumedAt);
      const logged = (): boolean =>
        ledger.closedOf(establishedData0.connection_id) !== undefined && ledger.isOpen(establishedData.connection_id);
      await until(logged, { what: 'the logs tell' });
      expect(ledger.violations).to.deep.equal([]);
      expect(ledger.overlaps('user-1')).to.deep.equal([]);
      const events = c2.events.length;
      await until(() => c2.events.length > events, { what: 'c2 receives broadcasts' });
    });
  });
}
