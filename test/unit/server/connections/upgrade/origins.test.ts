import type { IncomingMessage } from 'node:http';
import { ClientAddresses } from '@unified-ws/server/connections/limits/clientAddresses';
import { Origins } from '@unified-ws/server/connections/upgrade/origins';
import { loadSettings } from '@unified-ws/server/settings/settings';
import { expect } from 'chai';

const socket = { remoteAddress: '10.0.0.1' } as IncomingMessage['socket'];

function allows(
  allowed: readonly string[],
  headers: Record<string, string>,
  addresses = new ClientAddresses(false),
): boolean {
  return new Origins(allowed, addresses).allows({ socket, headers });
}

describe('the origin of an upgrade', () => {
  const PAGES = ['https://app.test'];
  const SAME = ['https://app.test', 'same-host'];

  // Seen red: websocket-client of Python sends the URL's own host, and was refused in production.
  it('must not keep out a library that makes one of the URL, once the operator says so', () => {
    const own: readonly [origin: string, host: string][] = [
      ['http://api.test:8080', 'api.test:8080'],
      ['https://api.test', 'api.test'],
      ['https://api.test', 'api.test:443'],
      ['https://api.test:443', 'api.test'],
      ['http://api.test', 'API.test:80'],
      ['http://[2001:db8::1]:8080', '[2001:db8::1]:8080'],
      ['http://127.0.0.1:8080', '127.0.0.1:8080'],
    ];
    for (const [origin, host] of own) {
      expect(allows(SAME, { origin, host }), `${origin} to ${host}`).to.equal(true);
      expect(allows(PAGES, { origin, host }), 'and not before').to.equal(false);
    }
    expect(allows(SAME, { origin: 'https://app.test', host: 'api.test' })).to.equal(true);
    expect(allows(SAME, { host: 'api.test' }), 'who sends none').to.equal(true);
  });

  it('must not let in a page of another host, port or form', () => {
    const other: readonly [origin: string, host: string][] = [
      ['https://evil.test', 'api.test'],
      ['http://api.test:8081', 'api.test:8080'],
      ['https://api.test', 'api.test:80'],
      ['http://api.test', 'api.test:443'],
      ['https://api.test.evil.test', 'api.test'],
      ['https://api.test@evil.test', 'api.test'],
      ['https://evil.test', 'x@evil.test'],
      ['null', 'null'],
      ['', ''],
      ['file://', ''],
      ['chrome-extension://api.test', 'api.test'],
      ['https://', ''],
      ['https://api.test', ''],
    ];
    for (const [origin, host] of other) expect(allows(SAME, { origin, host }), `${origin} to ${host}`).to.equal(false);
  });

  it('must be compared with the host that the client asked its proxy for, and a stranger must not name one', () => {
    const headers = { origin: 'https://api.test', host: 'node-7:8080', 'x-forwarded-host': 'api.test' };
    expect(allows(SAME, headers, new ClientAddresses(1))).to.equal(true);
    expect(allows(SAME, headers)).to.equal(false);
    expect(allows(SAME, { ...headers, 'x-forwarded-host': 'other.test, api.test' }, new ClientAddresses(1))).to.equal(
      false,
    );
  });

  it('may be that of the host alone in production, and never any', () => {
    const env = { NODE_ENV: 'production', JWT_SECRET: 'x'.repeat(40), JWT_ISSUER: 'i', JWT_AUDIENCE: 'a' };
    expect(loadSettings({ ...env, ALLOWED_ORIGINS: 'same-host' }).allowedOrigins).to.deep.equal(['same-host']);
    expect(() => loadSettings({ ...env, ALLOWED_ORIGINS: 'same-host,*' })).to.throw('not allowed in production');
  });
});
