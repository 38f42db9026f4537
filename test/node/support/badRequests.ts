import { REST_BASE, WS_PATH } from '@unified-ws/protocol';
import { clientFrame, upgradeRequest } from '../../support/rawClient.js';
import type { BadInput } from './badInput.js';

const deep = (open: string, close: string, levels: number): string => open.repeat(levels) + close.repeat(levels);

/** First bytes of TCP that are no proper request. @param token of an admin. */
export function badRequests(token: string): BadInput[] {
  const upgrade = upgradeRequest();
  const answered = (from: number, to: number, requests: Readonly<Record<string, string | Buffer>>): BadInput[] =>
    Object.entries(requests).map(([name, bytes]) => ({
      name,
      on: 'tcp',
      bytes: Buffer.from(bytes as string),
      expected: { status: [from, to] as const },
    }));
  const silent = (requests: Readonly<Record<string, string>>): BadInput[] =>
    Object.entries(requests).map(([name, bytes]) => ({
      name,
      on: 'tcp',
      bytes: Buffer.from(bytes),
      expected: { silence: true as const },
    }));
  const rest = (method: string, path: string, body = '', headers = ''): string =>
    `${method} ${REST_BASE}${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nConnection: close\r\n` +
    `Content-Length: ${Buffer.byteLength(body)}\r\n${headers}\r\n${body}`;
  const json = 'Content-Type: application/json\r\n';
  const broadcast = (body: string): string => rest('POST', '/broadcast', body, json);
  return [
    ...answered(400, 499, {
      'bytes that are no HTTP': Buffer.from([0, 1, 2, 3, 255, 254, 13, 10, 13, 10]),
      'the start of TLS': Buffer.from('16030100c8010000c40303', 'hex'),
      'the preface of HTTP/2': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
      'a word': 'word\r\n\r\n',
      'a method that there is not': 'BREW / HTTP/1.1\r\nHost: x\r\n\r\n',
      'a request line without version': 'GET /\r\n\r\n',
      'HTTP/9.9': 'GET / HTTP/9.9\r\nHost: x\r\n\r\n',
      'no host': 'GET /livez HTTP/1.1\r\n\r\n',
      'a header without colon': 'GET /livez HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n',
      'a header with a NUL': 'GET /livez HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n',
      'a header of 20 kB': `GET /livez HTTP/1.1\r\nHost: x\r\nA: ${'x'.repeat(20_000)}\r\n\r\n`,
      'a URL of 20 kB': `GET /${'x'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
      'two lengths': 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab',
      'a length and chunks':
        'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      'a length that is no number': 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n',
      'a negative length': 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n',
      'chunks of nonsense': `POST ${REST_BASE}/broadcast HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n${json}Transfer-Encoding: chunked\r\n\r\nzz\r\n`,
      'an upgrade without key': upgrade.replace(/Sec-WebSocket-Key: .*\r\n/, ''),
      'an upgrade with a short key': upgrade.replace(/(Sec-WebSocket-Key: ).*\r\n/, '$1x\r\n'),
      'an upgrade of version 0': upgrade.replace('Version: 13', 'Version: 0'),
      'an upgrade without version': upgrade.replace(/Sec-WebSocket-Version: .*\r\n/, ''),
      'an upgrade by POST': upgrade.replace('GET', 'POST'),
      'an upgrade to something else': upgrade.replace('websocket', 'h2c'),
      'an upgrade elsewhere': upgrade.replace(WS_PATH, '/socket.io/?EIO=4'),
      'an upgrade with a broken list of protocols': upgrade.replace(
        '\r\n\r\n',
        '\r\nSec-WebSocket-Protocol: ,\r\n\r\n',
      ),
      'a plain GET of the socket': rest('GET', ''),
      'a path of broken percent-encoding': rest('GET', '/user/%E0%A4%A'),
      'a user id of a lone surrogate': rest('GET', '/user/%ED%A0%80'),
      'a user id of 200 characters': rest('GET', `/user/${'u'.repeat(200)}`),
      'a user id named __proto__': rest('GET', '/user/__proto__'),
      'a path that climbs': rest('GET', '/../../../etc/passwd'),
      'a body that is no JSON': broadcast('nonsense'),
      'an empty body': broadcast(''),
      'a body of null': broadcast('null'),
      'a body of an array': broadcast('[]'),
      'a body nested 20,000 deep': broadcast(deep('[', ']', 20_000)),
      'data nested 10,000 deep': broadcast(
        `{"event_type":"custom_event","data":${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}}`,
      ),
      'a body of a form': rest(
        'POST',
        '/broadcast',
        'event_type=custom_event',
        'Content-Type: application/x-www-form-urlencoded\r\n',
      ),
      'a body of invalid UTF-8': Buffer.concat([
        Buffer.from(rest('POST', '/broadcast', 'xxxx', json).slice(0, -4)),
        Buffer.from([0x22, 0xff, 0xfe, 0x22]),
      ]),
      'a body in another character set': rest(
        'POST',
        '/broadcast',
        '{}',
        'Content-Type: application/json; charset=utf-7\r\n',
      ),
      'a body that claims to be compressed': rest('POST', '/broadcast', '{}', `${json}Content-Encoding: gzip\r\n`),
      'a body larger than it may be': broadcast(
        `{"event_type":"custom_event","data":{"x":"${'x'.repeat(1_100_000)}"}}`,
      ),
      'a body with __proto__': broadcast('{"__proto__":{"event_type":"custom_event","data":{}}}'),
      'an unknown event type': broadcast('{"event_type":"constructor","data":{}}'),
      'a bad idempotency key': rest(
        'POST',
        '/broadcast',
        '{"event_type":"custom_event","data":{}}',
        `${json}Idempotency-Key: a b\r\n`,
      ),
      'a token of nonsense': rest('GET', '/stats').replace(token, 'x.y.z'),
      'a token of 15 kB': rest('GET', '/stats').replace(token, 'x'.repeat(15_000)),
      'no token': rest('GET', '/stats').replace(/Authorization: .*\r\n/, ''),
      'a method that the route has not': rest('DELETE', '/stats'),
      'a route that there is not': rest('GET', '/nothing/here'),
    }),
    ...silent({
      'half a request line': 'GET /api/uni',
      'half a header': 'GET /livez HTTP/1.1\r\nHost: x\r\nAuthoriz',
      'an upgrade that stops before its end': upgrade.slice(0, -2),
      'a body that never comes': rest('POST', '/broadcast', 'x'.repeat(50), json).slice(0, -50),
      'a connection that says nothing': '',
    }),
    // After the upgrade, in the same packet: answered as on any connection that has not authenticated.
    ...answered(101, 101, {
      'an upgrade with a frame behind it': Buffer.concat([Buffer.from(upgrade), clientFrame('junk')]),
      'an upgrade with nonsense behind it': Buffer.concat([Buffer.from(upgrade), Buffer.alloc(2000, 0xff)]),
      'an upgrade with odd queries': upgrade.replace(
        WS_PATH,
        `${WS_PATH}?client=%ff&resume=%00~%zz&token=&__proto__=x&client=2`,
      ),
      'an upgrade that offers extensions': upgrade.replace(
        '\r\n\r\n',
        '\r\nSec-WebSocket-Extensions: permessage-deflate; x="\\"\r\n\r\n',
      ),
    }),
  ];
}
