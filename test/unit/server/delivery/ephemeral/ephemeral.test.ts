import { Ephemeral, type EphemeralItem } from '@unified-ws/server/delivery/ephemeral/ephemeral';
import { LatestValues } from '@unified-ws/server/delivery/ephemeral/latestValues';
import { EventCatalogue } from '@unified-ws/server/events/catalogue/eventCatalogue';
import type { StoredEvent } from '@unified-ws/server/events/event/storedEvent';
import { expect } from 'chai';

const type = { category: 'test', priority: 'normal', severity: 'info', permission: 'events:receive' } as const;
const catalogue = new EventCatalogue({
  version: 1,
  event_types: {
    tick: { ...type, delivery: 'ephemeral' },
    // One each 10 s, none saved up.
    slow: { ...type, delivery: 'ephemeral', rate: 6 },
    // Ten at once, and one a second.
    metric: { ...type, delivery: 'ephemeral', rate: 60 },
  },
  roles: {},
  groups: {},
});

function event(
  name: string,
  data: Record<string, unknown>,
  key?: string,
  more: Partial<StoredEvent> = {},
): StoredEvent {
  return {
    id: `${name}-${JSON.stringify(data)}`,
    type: name,
    data,
    timestamp: '2026-01-01T00:00:00.000Z',
    priority: 'normal',
    category: 'test',
    severity: 'info',
    ...(key === undefined ? {} : { conflation_key: key }),
    ...more,
  };
}

describe('ephemeral events of a node', () => {
  let time = 0;
  let wakes = 0;
  let made: Ephemeral[] = [];

  const make = (): Ephemeral => {
    time = 1000;
    wakes = 0;
    const ephemeral = new Ephemeral(
      { catalogue: () => catalogue, clock: { now: () => time, mono: () => time } },
      () => {
        wakes += 1;
      },
    );
    made.push(ephemeral);
    return ephemeral;
  };
  afterEach(() => {
    for (const one of made) one.stop();
    made = [];
  });

  const values = (items: readonly EphemeralItem[]): unknown[] => items.map(({ event: { data } }) => data.n);

  it('of one key only the latest must go out with a flush, and the order of the keys must stand', () => {
    const ephemeral = make();
    ephemeral.take([event('tick', { n: 1 }, 'a'), event('tick', { n: 2 }, 'b'), event('tick', { n: 3 }, 'a')], 300);
    expect(wakes).to.equal(1);
    expect(values(ephemeral.takeAll(time))).to.deep.equal([3, 2]);
    expect(ephemeral.counts).to.include({ received: 3, sent: 2, conflated: 1 });
    expect(ephemeral.due).to.equal(false);
    ephemeral.take([event('tick', { n: 4 }, 'a')], 100);
    expect(values(ephemeral.takeAll(time)), 'conflation ends with the flush').to.deep.equal([4]);
  });

  it('events without a key, of other types or other users must not replace each other', () => {
    const ephemeral = make();
    ephemeral.take([event('tick', { n: 1 }), event('tick', { n: 2 })], 200);
    ephemeral.take([event('tick', { n: 3 }, 'a'), event('metric', { n: 4 }, 'a')], 200);
    const both = event('tick', { n: 5 }, 'a');
    ephemeral.takeTargeted([{ users: ['ann', 'ben'], event: both }], 100);
    ephemeral.takeTargeted([{ users: ['ann'], event: event('tick', { n: 6 }, 'a') }], 100);
    const out = ephemeral.takeAll(time);
    expect(out.map(({ user, event: { data } }) => [user, data.n])).to.deep.equal([
      [null, 1],
      [null, 2],
      [null, 3],
      [null, 4],
      ['ann', 6],
      ['ben', 5],
    ]);
  });

  it('over the rate of a type the latest of each key must wait and come by itself, not be lost', () => {
    const ephemeral = make();
    ephemeral.take([event('slow', { n: 1 }, 'a')], 100);
    expect(values(ephemeral.takeAll(time))).to.deep.equal([1]);
    ephemeral.take([event('slow', { n: 2 }, 'a'), event('slow', { n: 3 }, 'b')], 200);
    expect(values(ephemeral.takeAll(time))).to.deep.equal([]);
    ephemeral.take([event('slow', { n: 4 }, 'a')], 100);
    expect(values(ephemeral.takeAll(time))).to.deep.equal([]);
    expect(ephemeral.due).to.equal(false);
    time += 10_000;
    expect(ephemeral.due).to.equal(true);
    expect(values(ephemeral.takeAll(time)), 'the one that waits longest').to.deep.equal([4]);
    time += 9_999;
    expect(values(ephemeral.takeAll(time))).to.deep.equal([]);
    time += 1;
    expect(values(ephemeral.takeAll(time))).to.deep.equal([3]);
    expect(ephemeral.counts).to.include({ received: 4, sent: 3, conflated: 1, dropped_rate: 0 });
  });

  it('over the rate of a type what has no key is dropped with a count, and the rate holds for any minute', () => {
    const ephemeral = make();
    const sent: number[] = [];
    for (let n = 0; n < 2400; n += 1) {
      ephemeral.take([event('metric', { n })], 100);
      for (const _ of ephemeral.takeAll(time)) sent.push(time);
      time += 50;
    }
    for (const start of sent) {
      expect(sent.filter((at) => at >= start && at < start + 60_000).length).to.be.at.most(70);
    }
    expect(sent.length).to.be.at.least(120);
    expect(ephemeral.counts.dropped_rate + sent.length).to.equal(2400);
  });

  it('the rate of a targeted type is per user: one who gets much must not silence another', () => {
    const ephemeral = make();
    for (let n = 0; n < 3; n += 1) {
      ephemeral.takeTargeted([{ users: ['ann'], event: event('slow', { n }, `k${n}`) }], 100);
    }
    ephemeral.takeTargeted([{ users: ['ben'], event: event('slow', { n: 9 }, 'k') }], 100);
    const out = ephemeral.takeAll(time);
    expect(out.map(({ user, event: { data } }) => [user, data.n])).to.deep.equal([
      ['ann', 0],
      ['ben', 9],
    ]);
  });

  it('what expires while it waits must not come late', () => {
    const ephemeral = make();
    const expires_at = new Date(5000).toISOString();
    ephemeral.take([event('slow', { n: 1 }, 'a')], 100);
    ephemeral.takeAll(time);
    ephemeral.take([event('slow', { n: 2 }, 'a', { expires_at })], 100);
    ephemeral.takeAll(time);
    time += 10_000;
    expect(ephemeral.takeAll(time)).to.deep.equal([]);
    expect(ephemeral.counts.dropped_expired).to.equal(1);
  });

  it('a flood within one turn must cost bounded memory, also of what its rate holds back', () => {
    const ephemeral = make();
    for (let n = 0; n < 30_000; n += 1) ephemeral.take([event('slow', { n }, `k${n}`)], 100);
    expect(ephemeral.counts.dropped_full).to.equal(20_000);
    ephemeral.takeAll(time);
    for (let n = 0; n < 30_000; n += 1) ephemeral.take([event('slow', { n }, `l${n}`)], 100);
    expect(ephemeral.counts.dropped_full).to.equal(20_000 + 30_000 - 1);
    const heavy = make();
    heavy.take([event('tick', { n: 1 }), event('tick', { n: 2 })], 2 * 12 * 1024 * 1024);
    expect(heavy.counts.dropped_full).to.equal(1);
  });

  it('what waits on a node that may not deliver is gone, and counted', () => {
    const ephemeral = make();
    ephemeral.take([event('tick', { n: 1 }), event('slow', { n: 2 }, 'a'), event('slow', { n: 3 }, 'b')], 300);
    ephemeral.takeAll(time);
    ephemeral.take([event('tick', { n: 4 })], 100);
    ephemeral.discard();
    expect(ephemeral.counts).to.include({ sent: 2, dropped_fenced: 2 });
    time += 60_000;
    expect(ephemeral.takeAll(time)).to.deep.equal([]);
  });

  it('who fell behind must get the latest of each key since then, nothing older and nobody else’s', () => {
    const ephemeral = make();
    ephemeral.take([event('tick', { n: 1 }, 'a'), event('tick', { n: 2 }, 'b')], 200);
    ephemeral.takeAll(time);
    const { seq } = ephemeral;
    for (let n = 3; n < 8; n += 1) {
      ephemeral.take([event('tick', { n }, 'a'), event('tick', { n: -n })], 200);
      ephemeral.takeTargeted([{ users: ['ann', 'ben'], event: event('tick', { n: n * 10 }, 'a') }], 100);
      ephemeral.takeAll(time);
    }
    expect(values(ephemeral.since(seq, 'ann'))).to.deep.equal([7, 70]);
    expect(values(ephemeral.since(seq, 'zoe'))).to.deep.equal([7]);
    expect(values(ephemeral.since(0, 'zoe'))).to.deep.equal([2, 7]);
    expect(ephemeral.since(ephemeral.seq, 'ann')).to.deep.equal([]);
  });

  it('a timer brings what is held back, without another event', async () => {
    const fast = new EventCatalogue({
      ...catalogue.raw,
      event_types: { burst: { ...type, rate: 6000, delivery: 'ephemeral' } },
    });
    const start = performance.now();
    const out: unknown[] = [];
    await new Promise<void>((resolve) => {
      const ephemeral: Ephemeral = new Ephemeral(
        { catalogue: () => fast, clock: { now: Date.now, mono: () => performance.now() } },
        () => {
          out.push(...values(ephemeral.takeAll(performance.now())));
          if (out.length === 1002) resolve();
        },
      );
      made.push(ephemeral);
      const events = Array.from({ length: 1002 }, (_, n) => event('burst', { n }, `k${n}`));
      ephemeral.take(events, 1000);
    });
    expect(performance.now() - start).to.be.at.least(15);
  });
});

describe('latest values', () => {
  it('must be bounded by number and bytes, and the oldest go first', () => {
    const latest = new LatestValues<{ seq: number; bytes: number }>(3, 100);
    for (let seq = 1; seq <= 5; seq += 1) latest.set(`k${seq}`, { seq, bytes: 10 });
    expect(latest.after(0, () => true).map(({ seq }) => seq)).to.deep.equal([3, 4, 5]);
    latest.set('k3', { seq: 6, bytes: 85 });
    expect(latest.after(0, () => true).map(({ seq }) => seq)).to.deep.equal([5, 6]);
    expect(latest.bytes).to.equal(95);
    latest.set('k9', { seq: 7, bytes: 500 });
    expect(latest.size, 'one that is too big alone').to.equal(0);
    expect(latest.bytes).to.equal(0);
  });
});
