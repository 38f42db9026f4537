import type { Member } from '@unified-ws/server/delivery/broadcast/cohorts';
import { Fanout } from '@unified-ws/server/delivery/fanout';
import { Compression } from '@unified-ws/server/delivery/frames/compression';
import { TypeSets } from '@unified-ws/server/delivery/selection/typeSets';
import { loadCatalogue } from '@unified-ws/server/events/catalogue/eventCatalogue';
import type { LogEntry } from '@unified-ws/server/events/log/broadcastLog';
import type { LogPages } from '@unified-ws/server/events/log/logPages';
import { createLogger } from '@unified-ws/server/observability/log/logger';
import { expect } from 'chai';
import { until } from '../../../support/wait.js';

const TYPE = 'system_status';

describe('flushes, the pause after them, and positions', () => {
  let time = 0;
  let writes = 0;
  /** What a write costs, ms of the clock. */
  let cost = 0;
  let allowed = true;
  let healthy = true;
  let last = '';

  const member: Member = {
    id: 'c1',
    userId: 'u1',
    delivered: new TypeSets().of([TYPE]),
    clearance: { id: 1, roles: new Set(['user']), permissions: new Set(['events:receive']) },
    individual: null,
    compress: false,
    isCongested: () => false,
    isHealthy: () => healthy,
    write: (frames) => {
      last = frames.toString();
      writes += 1;
      time += cost;
    },
  };
  const entry = (offset: number): LogEntry => ({
    offset,
    tag: `tag${offset}`,
    event: {
      id: `e${offset}`,
      type: TYPE,
      data: {},
      timestamp: '2026-01-01T00:00:00.000Z',
      priority: 'normal',
      category: 'health',
      severity: 'info',
    },
    bytes: 100,
  });
  const make = (): Fanout => {
    time = 1000;
    writes = 0;
    cost = 0;
    allowed = true;
    healthy = true;
    const catalogue = loadCatalogue();
    const fanout = new Fanout({
      catalogue: () => catalogue,
      typeSets: new TypeSets(),
      clock: { now: () => time, mono: () => time },
      clusterTime: { now: () => time },
      compression: new Compression({ mono: () => time }),
      logger: createLogger('silent', 'n1'),
      report: (error) => {
        throw error;
      },
      // Nobody is behind here: the log is not read.
      pages: { after: () => Promise.resolve([]), clear: () => undefined } as unknown as LogPages,
      windowSize: 100,
      windowBytes: 100_000,
      historySize: 100,
      mayDeliver: () => allowed,
      ofUser: () => [],
    });
    fanout.moveTo({ epoch: 'e', offset: 0, tag: '' });
    fanout.enter(member);
    return fanout;
  };

  it('a first event must not wait, or a quiet node is slow for nothing', async () => {
    const fanout = make();
    fanout.take([entry(1)]);
    await new Promise(setImmediate);
    expect(writes).to.equal(1);
  });

  it('events that come during the rest must share the next write, or the queue starves between the flushes', async () => {
    const fanout = make();
    cost = 15;
    fanout.take([entry(1)]);
    await fanout.flushed();
    for (let offset = 2; offset <= 6; offset += 1) {
      fanout.take([entry(offset)]);
      await new Promise(setImmediate);
      expect(writes, 'it rests').to.equal(1);
    }
    await fanout.flushed();
    expect(writes).to.equal(2);
    expect(fanout.position.offset).to.equal(6);
  });

  it('whoever joins must not wait for the rest: a flush that is asked for runs at once (L5)', async () => {
    const fanout = make();
    cost = 15;
    fanout.take([entry(1)]);
    await fanout.flushed();
    fanout.take([entry(2)]);
    fanout.flush();
    expect(fanout.position.offset).to.equal(2);
    expect(writes).to.equal(2);
  });

  it('the right to deliver must be asked after the rest, not before it (C6)', async () => {
    const fanout = make();
    cost = 15;
    fanout.take([entry(1)]);
    await fanout.flushed();
    fanout.take([entry(2)]);
    allowed = false;
    await fanout.flushed();
    expect(writes).to.equal(1);
    expect(fanout.tail.offset, 'to be read again from the log').to.equal(1);
  });

  // Seen red with a flush at each join: 480 connects a second made five times as many flushes to all sockets.
  it('joining must not flush to everybody, and who joins gets what was taken once, after the position that it was told', () => {
    const fanout = make();
    fanout.take([entry(1), entry(2)]);
    const told = fanout.positionText;
    const got: string[] = [];
    const joined = Array.from({ length: 10 }, (_, n) => {
      const one: Member = { ...member, id: `j${n}`, write: (frames) => void got.push(frames.toString()) };
      fanout.enter(one);
      return one;
    });
    expect(fanout.counts.flushes).to.equal(0);
    expect(joined.map((one) => fanout.memberPositionText(one))).to.deep.equal(joined.map(() => told));
    fanout.flush();
    expect(fanout.counts.flushes).to.equal(1);
    expect(got).to.have.length(10);
    for (const frames of got) expect(frames.match(/"id":"e[12]"/g)).to.deep.equal(['"id":"e1"', '"id":"e2"']);
  });

  it('who comes with the position of an entry that is taken and not written must get only what follows it', async () => {
    const fanout = make();
    fanout.take([entry(1), entry(2)]);
    const got: string[] = [];
    const one: Member = { ...member, id: 'j', write: (frames) => void got.push(frames.toString()) };
    fanout.enter(one, { offset: 1, tag: 'tag1' });
    fanout.flush();
    await until(() => got.length > 0, { what: 'the second' });
    fanout.take([entry(3)]);
    await until(() => got.join('').includes('"id":"e3"'), { what: 'the third' });
    expect(got.join('').match(/"id":"e\d"/g)).to.deep.equal(['"id":"e2"', '"id":"e3"']);
    fanout.stop();
  });

  // Seen red without the flush when types are lost.
  it('who gives up an event type must get what was taken before; who adds one makes no flush', () => {
    const fanout = make();
    const sets = new TypeSets();
    const got: string[] = [];
    const one = {
      ...member,
      id: 'j',
      delivered: sets.of([TYPE]),
      write: (frames: Buffer) => void got.push(frames.toString()),
    };
    fanout.enter(one);
    fanout.take([entry(1)]);
    one.delivered = sets.of([TYPE, 'custom_event']);
    fanout.refit(one);
    expect(fanout.counts.flushes).to.equal(0);
    one.delivered = sets.of(['custom_event']);
    fanout.refit(one);
    expect(got.join('').match(/"id":"e\d"/g)).to.deep.equal(['"id":"e1"']);
    fanout.take([entry(2)]);
    fanout.flush();
    expect(got).to.have.length(1);
  });

  it('whoever waits for a flush must be told when the node stops, or its end hangs', async () => {
    const fanout = make();
    cost = 15;
    fanout.take([entry(1)]);
    await fanout.flushed();
    fanout.take([entry(2)]);
    let reported = false;
    void fanout.flushed().then(() => {
      reported = true;
    });
    fanout.stop();
    await until(() => reported, { what: 'the waiter is told' });
    expect(writes).to.equal(1);
  });

  // Seen red when the cohort was measured by the offsets of the log that is gone.
  it('a log that begins anew must not keep a quiet connection from being told its position (L6)', async () => {
    const fanout = make();
    fanout.take(Array.from({ length: 50 }, (_, n) => entry(n + 1)));
    await fanout.flushed();
    fanout.restartAt({ epoch: 'e2', offset: 0, tag: '' });
    const before = writes;
    // Of a type that the member does not have.
    const { event, ...pause } = entry(1);
    fanout.take([{ ...pause, event: { ...event, type: 'user_login' } }]);
    await fanout.flushed();
    fanout.reportPositions();
    expect(writes, 'told a moment ago').to.equal(before);
    time += 6000;
    fanout.reportPositions();
    expect(writes).to.equal(before + 1);
    expect(last).to.include('"type":"heartbeat"').and.include('"connection_healthy":true');
    // Seen red with a constant.
    fanout.take([{ ...pause, offset: 2, event: { ...event, type: 'user_login' } }]);
    await fanout.flushed();
    time += 6000;
    healthy = false;
    fanout.reportPositions();
    expect(last).to.include('"connection_healthy":false');
  });

  // Seen red when an announcement asked for the right to deliver: the flush before it can take longer than the lease has left.
  it('a gap must be told though the lease ran out meanwhile, or the loss is silent (L1, C6)', async () => {
    const fanout = make();
    fanout.take([entry(1)]);
    await fanout.flushed();
    fanout.restartAt({ epoch: 'e2', offset: 0, tag: '' });
    const before = writes;
    allowed = false;
    fanout.announce('gap', { scope: 'broadcast', from: null, to: null, reason: 'log_reset' });
    expect(writes).to.equal(before + 1);
    fanout.take([entry(1)]);
    await fanout.flushed();
    expect(writes, 'events need the right').to.equal(before + 1);
  });
});
