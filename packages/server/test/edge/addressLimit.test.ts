import { AddressLimit } from '@unified-ws/server/edge/addressLimit';
import { expect } from 'chai';

describe('the limit per address', () => {
  // The predecessor's map of failures only ever grew (F26). Seen red: at the bound a new address was forgotten before its token was
  // taken, and so had no limit at all.
  it('must not keep an address of whom there is nothing left to say, nor more than a bound of them', () => {
    let now = 0;
    const limit = new AddressLimit({ now: () => 0, mono: () => now }, 1, 2);
    for (let n = 0; n < 100_000; n += 1) limit.take(`quiet-${n}`);
    expect(limit.size).to.equal(100_000);
    now += 10_000;
    limit.take('late');
    expect(limit.size, 'whose bucket is full again is forgotten').to.equal(1);
    for (let n = 0; n < 100_010; n += 1) limit.take(`flood-${n}`);
    expect(limit.size, 'a flood from many').to.equal(100_000);
    expect(limit.wait('flood-100009'), 'one token left of two').to.equal(0);
    limit.take('flood-100009');
    expect(limit.take('flood-100009'), 'the newest are still limited').to.equal(1);
  });
});
