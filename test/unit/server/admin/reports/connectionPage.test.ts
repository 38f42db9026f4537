import type { AllConnections, ConnectionFilter } from '@unified-ws/protocol';
import type { NodeParts } from '@unified-ws/server/admin/nodeParts';
import { mergeSlices, shareOf } from '@unified-ws/server/admin/reports/connectionPage';
import { sliceOf } from '@unified-ws/server/admin/reports/connectionSlice';
import type { Connection } from '@unified-ws/server/connections/lifecycle/connection';
import { ConnectionTable } from '@unified-ws/server/connections/lifecycle/connectionTable';
import { comparePlaces, placeOf, UserOrder } from '@unified-ws/server/connections/lifecycle/userOrder';
import { systemClock } from '@unified-ws/server/util/clock';
import { expect } from 'chai';
import fc from 'fast-check';

let made = 0;

function connection(userId: string, changes: Readonly<Record<string, unknown>> = {}): Connection {
  made += 1;
  const open = {
    id: `c${made}`,
    userId,
    identity: { username: userId, roles: ['user'] },
    ip: '127.0.0.1',
    status: 'open',
    established: true,
    types: null,
    fence: String(made),
    connectedAt: 0,
    lastActivity: 0,
    messages: 0,
    errors: 0,
    consecutiveErrors: 0,
    buffered: 0,
    pongDue: 0,
  };
  return { ...open, ...changes } as unknown as Connection;
}

class FakeNode {
  readonly table = new ConnectionTable();
  readonly view: NodeParts;

  constructor(nodeId: string) {
    const settings = { nodeId, maxBufferedBytes: 100, pingTimeoutMs: 100 };
    this.view = { table: this.table, settings, clock: systemClock } as unknown as NodeParts;
  }
}

/** As ConnectionList asks for a page, without the bus between. */
function page(nodes: readonly FakeNode[], after: string | null, limit: number, filter: ConnectionFilter = {}) {
  const request = { after, limit: shareOf(limit, nodes.length), filter };
  return mergeSlices(
    nodes.map(({ view }) => sliceOf(view, request)),
    limit,
  );
}

/** All pages, with something happening between them. */
function listing(
  nodes: readonly FakeNode[],
  limit: number,
  between: () => void = () => undefined,
  filter: ConnectionFilter = {},
): string[] {
  const seen: string[] = [];
  for (let after: string | null = null; ; between()) {
    const { taken, until } = page(nodes, after, limit, filter);
    expect(taken.length).to.be.at.most(limit);
    seen.push(...taken.map(({ connection_id }) => connection_id));
    if (until === null) return seen;
    expect(after, 'a page that begins where the one before began').to.not.equal(until);
    after = until;
  }
}

// Seen to fail: with places compared by >=, with the common bound of the slices, the fence, either limit of the work, or the check
// for establishment taken out.
describe('The order of users', () => {
  it('walks all from any place on, each once, whatever came and went before', () => {
    const user = fc.string({ minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(fc.array(user, { maxLength: 60 }), fc.array(fc.nat(60)), user, (users, gone, from) => {
        const order = new UserOrder<{ userId: string }>();
        const ones = users.map((userId) => ({ userId }));
        for (const one of ones) order.add(one);
        const removed = new Set(gone.map((index) => ones[index]).filter((one) => one !== undefined));
        for (const one of removed) {
          order.remove(one);
          order.remove(one);
        }
        const left = ones.filter((one) => !removed.has(one));
        expect([...order.after(null)]).to.have.members(left);
        const place = placeOf(from);
        const later = left.filter(({ userId }) => comparePlaces(placeOf(userId), place) > 0);
        const walked = [...order.after(place)];
        expect(walked).to.have.members(later);
        const sorted = walked.map(({ userId }) => placeOf(userId));
        expect(sorted).to.deep.equal([...sorted].sort(comparePlaces));
      }),
    );
  });

  it('ids of one make must not share buckets: a page would sort them all', () => {
    const makes: readonly ((n: number) => string)[] = [
      (n) => `user-${n}`,
      (n) => String(n).padStart(12, '0'),
      (n) => `${n}@example.org`,
      (n) => (n * 1024).toString(16),
      (n) => `${n}0000000`,
    ];
    for (const make of makes) {
      const buckets = new Map<number, number>();
      for (let n = 0; n < 50_000; n += 1) {
        const bucket = placeOf(make(n)).hash >>> 22;
        buckets.set(bucket, (buckets.get(bucket) ?? 0) + 1);
      }
      expect(buckets.size, make(7)).to.equal(1024);
      expect(Math.max(...buckets.values()), make(7)).to.be.below(2 * (50_000 / 1024));
    }
  });
});

describe('Pages of connections', () => {
  it('whoever is connected throughout comes exactly once, while others come, go and move between nodes', () => {
    const plan = fc.record({
      steady: fc.integer({ min: 0, max: 150 }),
      others: fc.integer({ min: 0, max: 150 }),
      nodes: fc.integer({ min: 1, max: 5 }),
      limit: fc.integer({ min: 1, max: 60 }),
      /** Shared by all nodes or most on one. */
      skewed: fc.boolean(),
      moves: fc.array(fc.tuple(fc.nat(1000), fc.nat(1000)), { maxLength: 400 }),
    });
    fc.assert(
      fc.property(plan, ({ steady, others, nodes: count, limit, skewed, moves }) => {
        const nodes = Array.from({ length: count }, (_, index) => new FakeNode(`n${index}`));
        const nodeAt = (n: number): FakeNode => nodes[skewed && n % 10 > 0 ? 0 : n % nodes.length] as FakeNode;
        const stay = Array.from({ length: steady }, (_, n) => {
          const one = connection(`steady-${n}`);
          nodeAt(n).table.add(one);
          return one.id;
        });
        const open = new Map<number, { node: FakeNode; one: Connection }>();
        const steps = [...moves];
        const move = (): void => {
          for (const [who, where] of steps.splice(0, 5)) {
            const n = others === 0 ? -1 : who % others;
            const known = open.get(n);
            known?.node.table.remove(known.one);
            open.delete(n);
            if (n < 0 || where % 3 === 0) continue;
            const entry = { node: nodeAt(where), one: connection(`other-${n}`) };
            entry.node.table.add(entry.one);
            open.set(n, entry);
          }
        };
        move();
        const seen = listing(nodes, limit, move);
        expect(new Set(seen).size, 'none twice').to.equal(seen.length);
        expect(seen).to.include.members(stay);
      }),
      { numRuns: 150 },
    );
  });

  it('a user who moved between the answers of two nodes must come with the newer connection alone', () => {
    const nodes = [new FakeNode('a'), new FakeNode('b')];
    const old = connection('mover');
    const young = connection('mover');
    nodes[1]?.table.add(young);
    nodes[0]?.table.add(old);
    expect(listing(nodes, 10)).to.deep.equal([young.id]);
  });

  it('a connection that is not established is nobody yet: the user may be connected elsewhere', () => {
    const node = new FakeNode('a');
    node.table.add(connection('waiting', { established: false, status: 'claiming' }));
    expect(listing([node], 10)).to.deep.equal([]);
  });

  it('a filter that fits few must not make one request walk all connections of a node', () => {
    const node = new FakeNode('a');
    for (let n = 0; n < 25_000; n += 1) node.table.add(connection(`user-${n}`));
    const wanted = [7, 12_000, 24_999].map((n) => {
      const admin = connection(`boss-${n}`, { identity: { username: 'x', roles: ['admin'] } });
      node.table.add(admin);
      return admin.id;
    });
    let pages = 1;
    const seen = listing(
      [node],
      100,
      () => {
        pages += 1;
      },
      { role: 'admin' },
    );
    expect(seen).to.have.members(wanted);
    expect(pages, 'bounded pages').to.be.within(3, 4);
  });

  it('a page must stay far below what may wait for a connection, however much its users subscribed to', () => {
    const nodes = ['a', 'b', 'c', 'd'].map((id) => new FakeNode(id));
    const names = Array.from({ length: 200 }, (_, n) => `event_type_with_a_long_name_${n}`);
    for (let n = 0; n < 300; n += 1) {
      nodes[n % 4]?.table.add(connection(`user-${n}`, { types: { names, set: new Set(names) } }));
    }
    let largest = 0;
    let count = 0;
    for (let after: string | null = null; ; ) {
      const { taken, until } = page(nodes, after, 200);
      count += taken.length;
      const connections = Object.fromEntries(taken.map((one) => [one.user_id, one]));
      const reply: AllConnections = { connections, total_count: 0, next_cursor: until, missing_nodes: [] };
      largest = Math.max(largest, JSON.stringify(reply).length);
      if (until === null) break;
      after = until;
    }
    expect(count).to.equal(300);
    expect(largest).to.be.below(512 * 1024);
  });
});
