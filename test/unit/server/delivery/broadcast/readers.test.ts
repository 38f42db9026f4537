import type { Member } from '@unified-ws/server/delivery/broadcast/cohorts';
import { Readers } from '@unified-ws/server/delivery/broadcast/readers';
import { RecentEvents } from '@unified-ws/server/delivery/broadcast/recentEvents';
import { Compression } from '@unified-ws/server/delivery/frames/compression';
import type { IndividualDelivery } from '@unified-ws/server/delivery/selection/individualDelivery';
import { RateLimit } from '@unified-ws/server/delivery/selection/rateLimit';
import { TypeSets } from '@unified-ws/server/delivery/selection/typeSets';
import { loadCatalogue } from '@unified-ws/server/events/catalogue/eventCatalogue';
import type { LogEntry } from '@unified-ws/server/events/log/broadcastLog';
import type { LogPages } from '@unified-ws/server/events/log/logPages';
import { createLogger } from '@unified-ws/server/observability/log/logger';
import { expect } from 'chai';
import { until } from '../../../../support/wait.js';

const TYPE = 'system_status';
const EVENT_BYTES = 1000;
const typeSets = new TypeSets();

class FakeMember implements Member {
  readonly delivered = typeSets.of([TYPE]);
  readonly clearance = { id: 1, roles: new Set(['user']), permissions: new Set(['events:receive']) };
  readonly compress = false;
  individual: IndividualDelivery | null = null;
  congested = false;
  bytes = 0;
  readonly id: string;
  readonly userId: string;

  constructor(id: string) {
    this.id = id;
    this.userId = id;
  }

  write(frames: Buffer): void {
    this.bytes += frames.length;
  }

  isCongested(): boolean {
    return this.congested;
  }

  isHealthy(): boolean {
    return true;
  }
}

function entry(offset: number): LogEntry {
  const event = {
    id: `e${offset}`,
    type: TYPE,
    data: { pad: 'x'.repeat(EVENT_BYTES) },
    timestamp: '2026-01-01T00:00:00.000Z',
    priority: 'normal',
    category: 'health',
    severity: 'info',
  } as const;
  return { offset, tag: `tag${offset}`, event, bytes: EVENT_BYTES };
}

describe('connections that read the log', () => {
  let time = 1000;
  /** The log ends here. */
  let head = 0;
  let readers: Readers;
  const caughtUp: string[] = [];
  /** Reads under way; with `hold` they wait for `release`. */
  let held: (() => void)[] = [];
  let hold = false;
  let empty = false;

  beforeEach(() => {
    time = 1000;
    head = 250;
    held = [];
    hold = false;
    empty = false;
    caughtUp.length = 0;
    const catalogue = loadCatalogue();
    const after = async (from: number, to: number, limit = 250): Promise<readonly LogEntry[]> => {
      if (hold) await new Promise<void>((resolve) => held.push(resolve));
      if (empty) return [];
      return Array.from({ length: Math.min(limit, to - from) }, (_, n) => entry(from + 1 + n));
    };
    readers = new Readers({
      recentEvents: new RecentEvents(10, 10_000),
      pages: { after, clear: () => undefined } as unknown as LogPages,
      catalogue: () => catalogue,
      clock: { now: () => time, mono: () => time },
      compression: new Compression({ mono: () => time }),
      logger: createLogger('silent', 'n1'),
      report: (error) => {
        throw error;
      },
      mayDeliver: () => true,
      position: () => ({ epoch: 'e', offset: head, tag: `tag${head}` }),
      onCaughtUp: (member) => caughtUp.push(member.id),
      onLimited: () => undefined,
    });
  });
  afterEach(() => readers.stop());

  const begin = { offset: 0, tag: '' };
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  // Seen red when only the end of a read let the next one begin.
  it('must get the places that those before them did not use: congested, then gone', async () => {
    hold = true;
    const members = Array.from({ length: 20 }, (_, n) => new FakeMember(`m${n}`));
    for (const member of members) readers.add(member, begin);
    await until(() => held.length === 8, { what: 'all places are taken' });
    // The next in line are slow, and end before they empty.
    const slow = members.slice(8, 16);
    for (const member of slow) member.congested = true;
    hold = false;
    for (const release of held.splice(0)) release();
    await until(() => caughtUp.length >= 8, { what: 'the first have caught up' });
    await turn();
    for (const member of slow) readers.remove(member);
    const last = members.slice(16);
    for (const member of last) readers.wake(member);
    await until(() => caughtUp.length === 12, { what: () => `the last have caught up; ${caughtUp.join()}` });
  });

  // Seen red when a whole page was read for each, and kept until its last event was due.
  it('must keep little of what they read while their own rate holds it back', async () => {
    const members = Array.from({ length: 10 }, (_, n) => new FakeMember(`m${n}`));
    for (const member of members) {
      member.individual = { batch: true, limit: new RateLimit(1), passes: () => true };
      readers.add(member, begin);
    }
    await until(() => members.every(({ bytes }) => bytes > 0), { what: 'a first event' });
    await turn();
    expect(readers.keptBytes).to.be.at.most(members.length * 10 * EVENT_BYTES);
    // And nothing is left out.
    for (const member of members) member.individual = null;
    time += 2000;
    for (const member of members) readers.wake(member);
    await until(() => caughtUp.length === 10, { what: 'all caught up' });
    const frames = 250 * EVENT_BYTES;
    for (const { bytes } of members)
      expect(bytes)
        .to.be.above(frames)
        .and.below(frames * 1.5);
  });

  // Seen red when each attempt put the next one off by the whole interval, whether it had begun or not.
  it('must wait for one interval at most, however often their client came back meanwhile (L10)', async () => {
    head = 5000;
    const member = new FakeMember('m');
    for (let n = 0; n < 10; n += 1) {
      readers.add(member, begin);
      if (n === 0) await until(() => member.bytes > 0, { what: 'the first replay begins' });
      readers.remove(member);
      time += 100;
    }
    member.bytes = 0;
    readers.add(member, begin);
    await turn();
    expect(member.bytes, 'not yet').to.equal(0);
    time += 5000;
    readers.wake(member);
    await until(() => member.bytes > 0, { what: 'the replay begins' });
  });

  // Seen red when an empty page alone was the reason: what was flushed to the others meanwhile was left out for this one (L5).
  it('must read again when nothing was found and the others moved on meanwhile', async () => {
    hold = true;
    empty = true;
    const member = new FakeMember('m');
    readers.add(member, { offset: 240, tag: 'tag240' });
    await until(() => held.length === 1, { what: 'the read' });
    head = 251;
    for (const release of held.splice(0)) release();
    await until(() => held.length === 1, { what: 'another read' });
    hold = false;
    empty = false;
    for (const release of held.splice(0)) release();
    await until(() => caughtUp.length === 1, { what: 'caught up' });
    expect(member.bytes).to.be.above(11 * EVENT_BYTES);
    expect(readers.counts.gaps).to.equal(0);
  });
});
