import { setTimeout as sleep } from 'node:timers/promises';
import type { PublishRequest } from '@unified-ws/protocol';
import { expect } from 'chai';
import { type RedisServer, startRedis } from '../../../../support/redis.js';
import { type ProxyLink, RedisProxy } from '../../../../support/redisProxy.js';
import { type EventNode, failure, logged, SERVICE, startEventNode, until } from '../support.js';

const zone = (n: number, more: Partial<PublishRequest> = {}): PublishRequest => ({
  event_type: 'zone_updated',
  data: { n },
  ordering_key: 'k',
  ...more,
});
const mailed = (n: number, users: readonly string[]): PublishRequest => {
  const { ordering_key: _, ...event } = zone(n);
  return { ...event, target_user_ids: users };
};

// Seen red: without the question about idleness (together.lua, AskingAppender), with a failed append taken for done, and without the
// question about the fence (DirectAppend). test/model/publish takes out one rule after the other.
for (const direct of ['together', 'asking'] as const) {
  describe(`a direct append (${direct})`, function () {
    this.timeout(30_000);
    let server: RedisServer;
    let proxy: RedisProxy;
    const nodes: EventNode[] = [];

    before(async () => {
      server = await startRedis();
      proxy = await RedisProxy.start(server.port);
    });
    afterEach(async () => {
      proxy.onLink = () => undefined;
      await Promise.all(nodes.splice(0).map((node) => node.stop()));
      await server.client().flushall();
    });
    after(async () => {
      await proxy.stop();
      await server.stop();
    });

    async function start(options: Parameters<typeof startEventNode>[1] = {}, url = server.url): Promise<EventNode> {
      const node = await startEventNode(url, { partitions: 1, direct, ...options });
      nodes.push(node);
      return node;
    }
    const lane = (node: EventNode) => node.queues.stats().lanes.find(({ queue }) => queue === 'events-0');
    const lane0 = (node: EventNode) => {
      const jobs = node.queues.jobs().find(({ name }) => name === 'events-0');
      if (jobs === undefined) throw new Error('there is no events-0');
      return jobs;
    };
    /** Nothing waits for the node's link, and jobs and memory were counted just now: an append alone will use the link. */
    const quiet = (node: EventNode) =>
      until('the lane is idle', async () => {
        if (node.command.status !== 'ready') return false;
        try {
          const counts = (await node.queues.counts()).get('events-0');
          await node.queues.admit([]);
          return counts?.waiting === 0 && counts.active === 0;
        } catch {
          return false;
        }
      });
    const numbers = async ({ log }: EventNode): Promise<unknown[]> =>
      (await logged(log)).map(({ event }) => event.data.n);
    const inBox = async ({ mailboxes }: EventNode, user: string): Promise<unknown[]> =>
      ((await mailboxes.read(user, 1, 10_000))?.entries ?? []).map(({ event }) => event.data.n);

    it('must not make a job, or each event pays for a queue that it does not need', async () => {
      const node = await start();
      const [receipt] = await node.publisher.publish(zone(1), SERVICE);
      expect(receipt).to.include({ queue: 'events-0', duplicate: false });
      await node.publisher.publish(mailed(2, ['ann']), SERVICE);
      expect(await numbers(node)).to.deep.equal([1]);
      expect(await inBox(node, 'ann')).to.deep.equal([2]);
      expect(lane(node)).to.include({ direct: 2, queued: 0 });
      const counts = [...(await node.queues.counts()).values()];
      expect(counts.every(({ waiting, active, completed }) => waiting + active + completed === 0)).to.equal(true);
    });

    it('must not take the place of a queue that an admin has paused, nor overtake what waits there (Q3)', async () => {
      const node = await start();
      await lane0(node).pause();
      await node.publisher.publish(zone(1), SERVICE);
      await node.publisher.publish(zone(2), SERVICE);
      expect(await numbers(node)).to.deep.equal([]);
      await lane0(node).resume();
      // Accepted while the first ones still wait, or right after.
      await node.publisher.publish(zone(3), SERVICE);
      await until('all are appended', async () => (await numbers(node)).length === 3);
      expect(await numbers(node)).to.deep.equal([1, 2, 3]);
      await until('the lane is idle', async () => {
        await node.publisher.publish(zone(4), SERVICE);
        return (lane(node)?.direct ?? 0) > 0;
      });
    });

    it('must not overtake an event for several users, which is a job (Q3)', async () => {
      const node = await start();
      for (let n = 0; n < 60; n += 2) {
        await node.publisher.publish(mailed(n, ['ann', 'bob']), SERVICE);
        await node.publisher.publish(mailed(n + 1, ['ann']), SERVICE);
      }
      await until('all are appended', async () => (await inBox(node, 'ann')).length === 60);
      expect(await inBox(node, 'ann')).to.deep.equal(Array.from({ length: 60 }, (_, n) => n));
    });

    it('must not go past a queue in which a delayed event is due, though no worker has taken it yet (Q3)', async () => {
      const node = await start({ workers: false });
      const due = Date.now() + 300;
      await node.publisher.publish(zone(1, { deliver_at: new Date(due).toISOString() }), SERVICE);
      await node.publisher.publish(zone(2), SERVICE);
      expect(await numbers(node)).to.deep.equal([2]);
      await until('it is due', () => Date.now() > due + 5);
      await node.publisher.publish(zone(3), SERVICE);
      expect(await numbers(node), 'the third waits behind the first').to.deep.equal([2]);
      await node.queues.startWorkers();
      await until('all are appended', async () => (await numbers(node)).length === 3);
    });

    it('must keep the order of one publisher who does not wait for the answers (Q3)', async () => {
      const node = await start();
      const all = Array.from({ length: 400 }, (_, n) => n);
      const answers: Promise<unknown>[] = [];
      for (const n of all) {
        answers.push(node.publisher.publish(zone(n), SERVICE));
        if (n % 7 === 0) await sleep(0);
      }
      await Promise.all(answers);
      expect(await numbers(node)).to.deep.equal(all);
    });

    it('whose answer is lost must be made up for by a job under the same id, once and in order (L2, Q3)', async () => {
      let command: ProxyLink | undefined;
      proxy.onLink = (link) => {
        // The first link of the node is that of its scripts; nothing else is cut, so each later one is that again.
        if (command === undefined || !command.isOpen) command = link;
      };
      const node = await start({}, proxy.url);
      const all = Array.from({ length: 120 }, (_, n) => n);
      for (const n of all) {
        if (n % 10 !== 5) {
          await node.publisher.publish(zone(n), SERVICE);
          continue;
        }
        await quiet(node);
        command?.hold('down');
        const publishing = node.publisher.publish(zone(n), SERVICE);
        const store = server.client();
        await until(
          `Redis has run the script of ${n}`,
          async () => Number(await store.hget('uws:{log}:meta', 'offset')) > n,
        );
        command?.cut();
        expect(await publishing).to.have.length(1);
      }
      await quiet(node);
      expect(lane(node)?.queued).to.be.at.least(12);
      expect(await numbers(node)).to.deep.equal(all);
    });

    it('that is lost on its way must be made up for by a job (G3)', async () => {
      let command: ProxyLink | undefined;
      proxy.onLink = (link) => {
        if (command === undefined || !command.isOpen) command = link;
      };
      const node = await start({}, proxy.url);
      for (let n = 0; n < 10; n += 1) {
        await quiet(node);
        command?.hold('up');
        const publishing = node.publisher.publish(zone(n), SERVICE);
        await sleep(0);
        command?.destroy();
        expect(await publishing).to.have.length(1);
      }
      await quiet(node);
      expect(await numbers(node)).to.deep.equal(Array.from({ length: 10 }, (_, n) => n));
    });

    it('must be the way again after a backlog, though each event would find the job of the one before in work', async () => {
      // Work on a job takes longer than it takes for the next event to come.
      const beforeAppend = async (): Promise<void> => {
        await sleep(6);
      };
      const node = await start({ beforeAppend });
      let over = false;
      const answers: Promise<unknown>[] = [];
      const publishing = (async () => {
        for (let n = 0; !over; n += 1) {
          answers.push(node.publisher.publish(zone(n), SERVICE));
          await sleep(4);
        }
      })();
      await lane0(node).pause();
      await until('some are queued', () => (lane(node)?.queued ?? 0) > 20);
      await lane0(node).resume();
      const before = lane(node)?.direct ?? 0;
      await until('the lane is direct again', () => (lane(node)?.direct ?? 0) > before + 20);
      const [direct, queued] = [lane(node)?.direct ?? 0, lane(node)?.queued ?? 0];
      await until('more are published', () => (lane(node)?.direct ?? 0) > direct + 200);
      // A link that is slow for a moment may queue one.
      expect((lane(node)?.queued ?? 0) - queued).to.be.at.most(20);
      over = true;
      await publishing;
      await Promise.all(answers);
      const all = await numbers(node);
      expect(all).to.deep.equal(Array.from({ length: all.length }, (_, n) => n));
    });

    it('must not come from a fenced node: others work on the job (L2)', async () => {
      let fenced = false;
      const node = await start({ mayAppend: () => !fenced });
      const other = await start();
      fenced = true;
      await node.publisher.publish(zone(1), SERVICE);
      expect(lane(node)).to.include({ direct: 0, queued: 1 });
      await until('the other appends it', async () => (await numbers(other)).length === 1);
    });

    it('of an id that a job has already must change nothing, or the event comes again when that job is due', async () => {
      const node = await start({ workers: false });
      await node.publisher.publish(zone(1, { id: 'once', delay_ms: 60_000 }), SERVICE);
      const [receipt] = await node.publisher.publish(zone(1, { id: 'once' }), SERVICE);
      expect(receipt).to.include({ duplicate: true, payloadDiffers: false });
      expect(await numbers(node)).to.deep.equal([]);
    });

    it('of an id that was appended already must be told as a repeat, with what differs', async () => {
      const node = await start();
      await node.publisher.publish(zone(1, { id: 'once' }), SERVICE);
      const [same] = await node.publisher.publish(zone(1, { id: 'once' }), SERVICE);
      expect(same).to.include({ duplicate: true, payloadDiffers: false });
      const [other] = await node.publisher.publish(zone(2, { id: 'once' }), SERVICE);
      expect(other).to.include({ duplicate: true, payloadDiffers: true });
      expect(await numbers(node)).to.deep.equal([1]);
    });

    it('must not be refused for a queue that is full, if its own is empty (Q6)', async () => {
      const node = await start({ workers: false, maxJobs: 3, partitions: 2 });
      const delayed = zone(0, { delay_ms: 60_000 });
      for (let n = 0; n < 3; n += 1) await node.publisher.publish(delayed, SERVICE);
      expect(await failure(node.publisher.publish(delayed, SERVICE))).to.have.property('code', 'RATE_LIMITED');
      await node.publisher.publish(zone(1), SERVICE);
      expect(await numbers(node)).to.deep.equal([1]);
    });

    it('that has expired must not be appended, as a job would not be', async () => {
      const node = await start();
      await node.publisher.publish(zone(1, { expires_at: new Date(Date.now() - 1000).toISOString() }), SERVICE);
      expect(await numbers(node)).to.deep.equal([]);
      expect(lane(node)).to.include({ queued: 0 });
    });
  });
}
