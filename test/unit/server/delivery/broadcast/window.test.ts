import { type Entry, Window } from '@unified-ws/server/delivery/broadcast/window';
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

describe('the window', () => {
  it('must give each entry that it holds, and no other, or a replay skips or repeats', () => {
    const window = new Window(5, 1000);
    for (let offset = 1; offset <= 12; offset += 1) window.push(entry(offset));
    expect([window.oldest, window.newest, window.size]).to.deep.equal([8, 12, 5]);
    expect([7, 8, 12, 13].map((offset) => window.get(offset)?.tag)).to.deep.equal([undefined, 't8', 't12', undefined]);
  });

  it('must say that it covers a cursor only when the very next entry is there', () => {
    const window = new Window(5, 1000);
    expect(window.covers(0), 'empty').to.equal(false);
    for (let offset = 1; offset <= 12; offset += 1) window.push(entry(offset));
    expect([6, 7, 12].map((offset) => window.covers(offset))).to.deep.equal([false, true, true]);
  });

  it('must stay within its bytes, or a few large events take all memory; one that is larger alone is held', () => {
    const window = new Window(100, 100);
    for (let offset = 1; offset <= 8; offset += 1) window.push(entry(offset, 30));
    expect([window.oldest, window.bytes]).to.deep.equal([6, 90]);
    window.push(entry(9, 500));
    expect([window.oldest, window.newest, window.bytes]).to.deep.equal([9, 9, 500]);
    window.push(entry(10, 30));
    expect([window.oldest, window.bytes]).to.deep.equal([10, 30]);
  });

  it('must forget what lies before a jump, or a replay runs over it', () => {
    const window = new Window(5, 1000);
    for (const offset of [1, 2, 3, 10, 11]) window.push(entry(offset));
    expect([window.oldest, window.newest]).to.deep.equal([10, 11]);
    expect(window.get(3)).to.equal(undefined);
    window.clear();
    expect([window.oldest, window.newest, window.bytes]).to.deep.equal([0, 0, 0]);
  });
});
