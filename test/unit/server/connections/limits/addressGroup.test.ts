import { addressGroup } from '@unified-ws/server/connections/limits/addressGroup';
import { AddressLimit } from '@unified-ws/server/connections/limits/addressLimit';
import type { Clock } from '@unified-ws/server/util/clock';
import { expect } from 'chai';
import fc from 'fast-check';

const group = fc.integer({ min: 0, max: 0xffff });
const groups = fc.array(group, { minLength: 8, maxLength: 8 }).filter((all) => !isMapped(all));

function isMapped(all: readonly number[]): boolean {
  return all.slice(0, 5).every((one) => one === 0) && all[5] === 0xffff;
}

/** All spellings that a peer or a proxy may choose of one address. */
function spellings(all: readonly number[]): string[] {
  const hex = all.map((one) => one.toString(16));
  const full = hex.join(':');
  const [a = 0, b = 0] = all.slice(6);
  const dotted = `${hex.slice(0, 6).join(':')}:${a >> 8}.${a & 255}.${b >> 8}.${b & 255}`;
  const padded = hex.map((one) => one.padStart(4, '0').toUpperCase()).join(':');
  const short = full.replace(/(^|:)0(:0)+(:|$)/, '::');
  return [full, dotted, padded, short, `${full}%eth0`];
}

describe('the address that limits count', () => {
  it('must be one for a whole /64 however it is written, or a network is as many clients as it likes', () => {
    fc.assert(
      fc.property(groups, fc.array(group, { minLength: 4, maxLength: 4 }), (all, host) => {
        const neighbour = [...all.slice(0, 4), ...host];
        fc.pre(!isMapped(neighbour));
        const names = [...spellings(all), ...spellings(neighbour)].map(addressGroup);
        expect(new Set(names), names.join(' ')).to.have.length(1);
      }),
    );
  });

  it('must be another for the next /64, or one network is refused for the other', () => {
    fc.assert(
      fc.property(groups, groups, (a, b) => {
        fc.pre(a.slice(0, 4).join() !== b.slice(0, 4).join());
        expect(addressGroup(a.map((one) => one.toString(16)).join(':'))).not.to.equal(
          addressGroup(b.map((one) => one.toString(16)).join(':')),
        );
      }),
    );
  });

  it('must be the IPv4 address where a socket shows it as IPv6, or all of IPv4 is one client', () => {
    fc.assert(
      fc.property(fc.ipV4(), (address) => {
        expect(addressGroup(`::ffff:${address}`)).to.equal(address);
        expect(addressGroup(address)).to.equal(address);
      }),
    );
    expect(addressGroup('::ffff:c000:201')).to.equal('192.0.2.1');
    expect(addressGroup('0:0:0:0:0:FFFF:192.0.2.1')).to.equal('192.0.2.1');
  });

  it('must be itself for what is no address: a proxy may write anything', () => {
    for (const text of ['', 'unknown', '_hidden', '[2001:db8::1]:443', '192.0.2.1:1234', ':::', '1::2::3', 'a:b']) {
      expect(addressGroup(text)).to.equal(text);
    }
  });

  it('must be counted so by the limits, when they look as well as when they take', () => {
    const clock: Clock = { now: () => 0, mono: () => 0 };
    const limit = new AddressLimit(clock, 1, 2);
    expect([1, 2, 3].map((n) => limit.take(`2001:db8::${n}`))).to.deep.equal([0, 0, 1]);
    expect(limit.wait('2001:db8::4')).to.equal(1);
    expect(limit.wait('2001:db8:0:1::4')).to.equal(0);
    expect(limit.take('2001:db8:0:1::4')).to.equal(0);
    expect([1, 2, 3].map((n) => limit.take(`::ffff:192.0.2.${n}`))).to.deep.equal([0, 0, 0]);
  });
});
