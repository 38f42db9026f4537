import { AddressLimit } from '@unified-ws/server/connections/limits/addressLimit';
import { expect } from 'chai';

const clock = { now: () => 0, mono: () => 1000 };

/** Whether both come out of one bucket. */
function isOne(first: string, second: string): boolean {
  const limit = new AddressLimit(clock, 1, 1);
  expect(limit.take(first)).to.equal(0);
  const wait = limit.wait(second);
  expect(limit.take(second)).to.equal(wait);
  return wait > 0;
}

describe('the limit per address', () => {
  // Seen to take each address for somebody else.
  it('must not be multiplied by 2^64 for whoever has a network of IPv6, as everybody has', () => {
    expect(isOne('2001:db8:1:2::1', '2001:db8:1:2:ffff:ffff:ffff:ffff')).to.equal(true);
    expect(isOne('2001:db8::1', '2001:db8:0:0:1:2:3:4')).to.equal(true);
    expect(isOne('2001:DB8:01:0002::1', '2001:db8:1:2::')).to.equal(true);
    expect(isOne('::1', '::2')).to.equal(true);
    expect(isOne('fe80::1%eth0', 'fe80::2')).to.equal(true);
    expect(isOne('1:2:3:4:5:6:7:8', '1:2:3:4::')).to.equal(true);
  });

  it('must not make one client of different networks', () => {
    expect(isOne('2001:db8:1:2::1', '2001:db8:1:3::1')).to.equal(false);
    expect(isOne('2001:db8::1', '2001:db8:0:1::1')).to.equal(false);
    expect(isOne('192.0.2.1', '192.0.2.2')).to.equal(false);
    expect(isOne('::ffff:192.0.2.1', '::ffff:192.0.2.2')).to.equal(false);
  });

  it('must not count an address twice for being shown in two ways', () => {
    expect(isOne('::ffff:192.0.2.1', '192.0.2.1')).to.equal(true);
    expect(isOne('::FFFF:192.0.2.1', '192.0.2.1')).to.equal(true);
  });

  it('must take what is no address as it is', () => {
    expect(isOne('', '')).to.equal(true);
    expect(isOne('a:b', ':::')).to.equal(false);
  });

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
