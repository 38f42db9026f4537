import type { IncomingMessage } from 'node:http';
import { addressIn, ClientAddresses } from '@unified-ws/server/connections/limits/clientAddresses';
import { expect } from 'chai';

/** Where a request from the proxy at 10.0.0.1 comes from, by what the proxy wrote. */
function seen(forwarded: string | undefined, addresses = new ClientAddresses(1), remoteAddress = '10.0.0.1'): string {
  const headers = forwarded === undefined ? {} : { 'x-forwarded-for': forwarded };
  return addresses.of({ socket: { remoteAddress } as IncomingMessage['socket'], headers });
}

describe('the address of a client behind a proxy', () => {
  // Seen red: with proxy-addr alone, which takes each entry as it stands, a port made each connection a client of its own.
  it('must not be another for each connection because the balancer writes its port', () => {
    for (const port of [1, 4711, 65535]) {
      expect(seen(`192.0.2.1:${port}`)).to.equal('192.0.2.1');
      expect(seen(`"192.0.2.1:${port}"`)).to.equal('192.0.2.1');
      expect(seen(`[2001:db8::1]:${port}`)).to.equal('2001:db8::1');
      expect(seen(`"[2001:db8::1]:${port}"`)).to.equal('2001:db8::1');
      expect(seen(`[::ffff:192.0.2.1]:${port}`)).to.equal('::ffff:192.0.2.1');
      expect(seen(`::ffff:192.0.2.1:${port}`)).to.equal('::ffff:192.0.2.1');
      expect(seen(`2001:db8:1:2:3:4:5:6:${port}`)).to.equal('2001:db8:1:2:3:4:5:6');
    }
    expect(seen('[2001:db8::1]')).to.equal('2001:db8::1');
    expect(seen('192.0.2.1:_hidden')).to.equal('192.0.2.1');
  });

  it('must not differ by the zone of an address, or by blanks', () => {
    for (const zone of ['', '%eth0', '%1', `%${'x'.repeat(40)}`]) expect(seen(`fe80::1${zone}`)).to.equal('fe80::1');
    for (const text of ['  192.0.2.1 ', '\t192.0.2.1', '192.0.2.1, ', ' ,192.0.2.1,,']) {
      expect(seen(text)).to.equal('192.0.2.1');
    }
  });

  it('must be that of the proxy where the proxy tells none, or every word is a client with limits of its own', () => {
    const garbage = [
      'unknown',
      '_abc',
      '',
      ',',
      'for=192.0.2.1',
      '192.0.2.300',
      '01.02.03.04',
      '1.2.3',
      '[',
      ']',
      '[]:1',
      '::1::',
      '"',
    ];
    for (const text of [...garbage, 'x'.repeat(10_000), `${'1'.repeat(300)}.1.1.1`]) {
      expect(seen(text), text.slice(0, 20)).to.equal('10.0.0.1');
    }
    expect(
      seen('198.51.100.7, unknown', new ClientAddresses(['10.0.0.0/8'])),
      'what stands before it is hearsay',
    ).to.equal('10.0.0.1');
  });

  it('must be read through a chain of proxies that all write ports', () => {
    const ranges = new ClientAddresses(['10.0.0.0/8', '2001:db8:ffff::/48']);
    expect(seen('192.0.2.1:80, [2001:db8:ffff::2]:443, 10.0.0.2:8080', ranges)).to.equal('192.0.2.1');
    expect(seen('6.6.6.6, 192.0.2.1:80, 10.0.0.2:8080', ranges)).to.equal('192.0.2.1');
    expect(seen('10.0.0.3:1, 10.0.0.2:2', ranges), 'none but proxies').to.equal('10.0.0.3');
    expect(seen('192.0.2.1:80, 10.0.0.2:8080', new ClientAddresses(2))).to.equal('192.0.2.1');
    expect(seen('192.0.2.9, 192.0.2.1:80, 10.0.0.2:8080', new ClientAddresses(2))).to.equal('192.0.2.1');
    expect(seen('192.0.2.1', ranges, '::ffff:10.0.0.1'), 'a socket of both kinds').to.equal('192.0.2.1');
  });

  it('must not be taken from a header of whoever is not trusted', () => {
    for (const addresses of [new ClientAddresses(false), new ClientAddresses(['10.9.0.0/16'])]) {
      expect(seen('192.0.2.1', addresses)).to.equal('10.0.0.1');
    }
    expect(seen(undefined)).to.equal('10.0.0.1');
  });

  it('must cost no more for a long header, whose end alone counts', () => {
    const long = Array.from({ length: 3000 }, (_, n) => `10.0.${n >> 8}.${n & 255}`).join(', ');
    expect(seen(`${long}, 192.0.2.1`)).to.equal('192.0.2.1');
    const all = seen(`9.9.9.9, ${long}`, new ClientAddresses(['10.0.0.0/8']));
    expect(addressIn(all), 'cut off, and an address').to.equal(all);
    expect(all).to.match(/^10\./);
  });
});
