import { Cohorts, type Member } from '@unified-ws/server/delivery/broadcast/cohorts';
import type { Readers } from '@unified-ws/server/delivery/broadcast/readers';
import { Ephemeral, type EphemeralItem } from '@unified-ws/server/delivery/ephemeral/ephemeral';
import { EphemeralDelivery } from '@unified-ws/server/delivery/ephemeral/ephemeralDelivery';
import { Compression } from '@unified-ws/server/delivery/frames/compression';
import { TypeSets } from '@unified-ws/server/delivery/selection/typeSets';
import { EventCatalogue } from '@unified-ws/server/events/catalogue/eventCatalogue';
import { expect } from 'chai';

const catalogue = new EventCatalogue({
  version: 1,
  event_types: { tick: { category: 'test', priority: 'normal', severity: 'info', permission: 'events:receive' } },
  roles: {},
  groups: {},
});
const typeSets = new TypeSets();
const clearance = { id: 1, roles: new Set<string>(), permissions: new Set(['events:receive']) };

/** A member whose socket the test fills and empties. */
class FakeMember implements Member {
  readonly id: string;
  readonly userId: string;
  readonly delivered = typeSets.of(['tick']);
  readonly clearance = clearance;
  readonly individual = null;
  readonly compress = false;
  congested = false;
  readonly got: unknown[] = [];

  constructor(id: string) {
    this.id = id;
    this.userId = `user-${id}`;
  }

  write(frames: Buffer): void {
    for (let at = 0; at < frames.length; ) {
      const short = frames.readUInt8(at + 1);
      const start = at + (short === 126 ? 4 : 2);
      const end = start + (short === 126 ? frames.readUInt16BE(at + 2) : short);
      const { data } = JSON.parse(frames.toString('utf8', start, end)) as { data: Record<string, unknown> };
      this.got.push(data.n ?? data);
      at = end;
    }
  }

  isCongested(): boolean {
    return this.congested;
  }

  isHealthy(): boolean {
    return true;
  }
}

describe('ephemeral events to single connections', () => {
  let allowed = true;
  let cohorts: Cohorts;
  let readers: Set<Member>;
  let members: FakeMember[];
  let ephemeral: Ephemeral;
  let delivery: EphemeralDelivery;

  beforeEach(() => {
    allowed = true;
    cohorts = new Cohorts();
    readers = new Set();
    members = ['a', 'b'].map((id) => new FakeMember(id));
    const clock = { now: () => 1000, mono: () => 1000 };
    ephemeral = new Ephemeral({ catalogue: () => catalogue, clock }, () => undefined);
    delivery = new EphemeralDelivery({
      catalogue: () => catalogue,
      clock,
      ephemeral,
      compression: new Compression(clock),
      cohorts,
      readers: { has: (one: Member) => readers.has(one), members: () => readers } as unknown as Readers,
      ofUser: (userId) => members.filter((one) => one.userId === userId),
      mayDeliver: () => allowed,
    });
  });
  afterEach(() => delivery.stop());

  const member = (index: number): FakeMember => members[index] as FakeMember;

  function out(n: number, more: { key?: string; user?: string } = {}): readonly EphemeralItem[] {
    const event = {
      id: `e${n}`,
      type: 'tick',
      data: { n },
      timestamp: '2026-01-01T00:00:00.000Z',
      priority: 'normal',
      category: 'test',
      severity: 'info',
      ...(more.key === undefined ? {} : { conflation_key: more.key }),
    } as const;
    if (more.user === undefined) ephemeral.take([event], 100);
    else ephemeral.takeTargeted([{ users: [more.user], event }], 100);
    return ephemeral.takeAll(1000);
  }

  it('one that is suspended, or not yet established, must not get a targeted event (C12)', () => {
    delivery.toUsers(out(1, { user: 'user-a' }));
    expect(member(0).got).to.deep.equal([]);
    expect(delivery.counts.missed).to.equal(1);
    readers.add(member(0));
    delivery.toUsers(out(2, { user: 'user-a' }));
    cohorts.join(member(1), member(1).delivered, clearance, false);
    delivery.toUsers(out(3, { user: 'user-b' }));
    expect(members.map(({ got }) => got)).to.deep.equal([[2], [3]]);
  });

  it('one that is congested costs two numbers, and gets the latest of each key with the count of the rest', () => {
    readers.add(member(0));
    readers.add(member(1));
    member(0).congested = true;
    for (let n = 1; n <= 50; n += 1) delivery.toReaders(out(n, { key: `k${n % 2}` }));
    delivery.toReaders(out(51));
    delivery.toUsers(out(52, { key: 'k0', user: 'user-a' }));
    delivery.toUsers(out(53, { key: 'k0', user: 'user-b' }));
    expect(member(0).got).to.deep.equal([]);
    delivery.catchUp(member(0));
    expect(member(0).got, 'still congested').to.deep.equal([]);
    member(0).congested = false;
    delivery.catchUp(member(0));
    expect(member(0).got).to.deep.equal([49, 50, 52, { retry_after_ms: 0, dropped: 49 }]);
    expect(member(1).got.length).to.equal(52);
    delivery.toReaders(out(54));
    expect(member(0).got.at(-1)).to.equal(54);
    expect(delivery.size).to.equal(0);
  });

  it('a node that may not deliver brings nothing that was missed, not even late (C6)', () => {
    readers.add(member(0));
    member(0).congested = true;
    delivery.toReaders(out(1, { key: 'k' }));
    member(0).congested = false;
    allowed = false;
    delivery.catchUp(member(0));
    allowed = true;
    delivery.catchUp(member(0));
    expect(member(0).got).to.deep.equal([]);
    expect(delivery.counts.withheld).to.equal(1);
  });

  it('one that left must leave nothing behind', () => {
    readers.add(member(0));
    member(0).congested = true;
    delivery.toReaders(out(1, { key: 'k' }));
    expect(delivery.size).to.equal(1);
    delivery.forget(member(0));
    expect(delivery.size).to.equal(0);
    member(0).congested = false;
    delivery.catchUp(member(0));
    expect(member(0).got).to.deep.equal([]);
  });
});
