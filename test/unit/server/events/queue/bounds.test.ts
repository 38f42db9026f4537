import { randomBytes } from 'node:crypto';
import { jsonBytesAtMost } from '@unified-ws/server/events/event/storedEvent';
import { pooledRandom } from '@unified-ws/server/util/pooledRandom';
import { expect } from 'chai';
import fc from 'fast-check';

describe('the bound of a value as JSON', () => {
  it('must never be below its bytes, or an event that is too large passes for a small one', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = JSON.stringify(value);
        expect(jsonBytesAtMost(JSON.parse(text)), text).to.be.at.least(Buffer.byteLength(text));
      }),
      { numRuns: 2000 },
    );
    for (const value of [
      '\u0000\u0001',
      '\ud800',
      '"\\',
      '\u2028',
      '😀é',
      [[], {}],
      { '\u0000': -1.7976931348623157e308 },
    ]) {
      const text = JSON.stringify(value);
      expect(jsonBytesAtMost(value), text).to.be.at.least(Buffer.byteLength(text));
    }
  });
});

describe('pooled random bytes', () => {
  it('must be given to one caller each, or two events get one tag', () => {
    const random = pooledRandom(randomBytes);
    const seen = new Set<string>();
    const sizes = [10, 6, 600, 9, 5000, 16];
    for (let round = 0; round < 3000; round += 1) {
      const bytes = random(sizes[round % sizes.length] as number);
      expect(bytes).to.have.length(sizes[round % sizes.length] as number);
      seen.add(Buffer.from(bytes).toString('hex'));
    }
    expect(seen.size).to.equal(3000);
  });
});
