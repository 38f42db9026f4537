import { type Entry, RecentEvents } from '@unified-ws/server/delivery/broadcast/recentEvents';
import { expect } from 'chai';

function entry(offset: number, bytes = 10): Entry {
  return {
    offset,
    tag: `t${offset}`,
    bytes,
    event: {
      id: `e${offset}`,
      type: 'custom_event',
      data: {},
      timestamp: '2026-01-01T00:00:00.000Z',
      priority: 'normal',
      category: 'custom',
      severity: 'info',
    },
  };
}

describe('the recent events', () => {
  it('must give each entry that it holds, and no other, or a replay skips or repeats', () => {
    const recentEvents = new RecentEvents(5, 1000);
    for (let offset = 1; offset <= 12; offset += 1) recentEvents.push(entry(offset));
    expect([recentEvents.oldest, recentEvents.newest, recentEvents.size]).to.deep.equal([8, 12, 5]);
    expect([7, 8, 12, 13].map((offset) => recentEvents.get(offset)?.tag)).to.deep.equal([
      undefined,
      't8',
      't12',
      undefined,
    ]);
  });

  it('must say that it covers a position only when the very next entry is there', () => {
    const recentEvents = new RecentEvents(5, 1000);
    expect(recentEvents.covers(0), 'empty').to.equal(false);
    for (let offset = 1; offset <= 12; offset += 1) recentEvents.push(entry(offset));
    expect([6, 7, 12].map((offset) => recentEvents.covers(offset))).to.deep.equal([false, true, true]);
  });

  it('must stay within its bytes, or a few large events take all memory; one that is larger alone is held', () => {
    const recentEvents = new RecentEvents(100, 100);
    for (let offset = 1; offset <= 8; offset += 1) recentEvents.push(entry(offset, 30));
    expect([recentEvents.oldest, recentEvents.bytes]).to.deep.equal([6, 90]);
    recentEvents.push(entry(9, 500));
    expect([recentEvents.oldest, recentEvents.newest, recentEvents.bytes]).to.deep.equal([9, 9, 500]);
    recentEvents.push(entry(10, 30));
    expect([recentEvents.oldest, recentEvents.bytes]).to.deep.equal([10, 30]);
  });

  it('must forget what lies before a jump, or a replay runs over it', () => {
    const recentEvents = new RecentEvents(5, 1000);
    for (const offset of [1, 2, 3, 10, 11]) recentEvents.push(entry(offset));
    expect([recentEvents.oldest, recentEvents.newest]).to.deep.equal([10, 11]);
    expect(recentEvents.get(3)).to.equal(undefined);
    recentEvents.clear();
    expect([recentEvents.oldest, recentEvents.newest, recentEvents.bytes]).to.deep.equal([0, 0, 0]);
  });
});
