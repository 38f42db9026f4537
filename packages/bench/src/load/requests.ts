import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { WS_PATH } from '@unified-ws/protocol';
import { signToken } from '@unified-ws/server/auth/signToken';

/** JWT_SECRET of all measured servers. */
export const SECRET = 'secret-of-the-benchmarks-0123456789abcdef';

function userToken(index: number): string {
  return signToken(SECRET, { sub: `user-${index}`, username: `User ${index}`, roles: ['user'] });
}

/** The publisher: it may publish and has no subscriptions. */
export function publisherToken(sub = 'publisher'): string {
  return signToken(SECRET, { sub, roles: ['service'] });
}

/** A complete upgrade request. */
function upgradeRequest(path: string, token: string | null): string {
  const lines = [
    `GET ${path} HTTP/1.1`,
    'Host: 127.0.0.1',
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
  ];
  if (token !== null) lines.push(`Authorization: Bearer ${token}`);
  return `${lines.join('\r\n')}\r\n\r\n`;
}

export interface UserRequestOptions {
  /** Number of the first user. */
  readonly first?: number;
  /** The resume position of all users. */
  readonly resume?: string;
}

/** Writes the requests of `count` users for the reader. */
export function writeUserRequests(file: string, count: number, options: UserRequestOptions = {}): void {
  const { first = 0, resume } = options;
  const path = resume === undefined ? WS_PATH : `${WS_PATH}?resume=${encodeURIComponent(resume)}`;
  const requests = Array.from({ length: count }, (_, index) => upgradeRequest(path, userToken(first + index)));
  writeFileSync(file, requests.join(''));
}

/** Writes `count` requests without a token. */
export function writePlainRequests(file: string, count: number, path: string | ((index: number) => string)): void {
  const pathOf = typeof path === 'string' ? () => path : path;
  writeFileSync(file, Array.from({ length: count }, (_, index) => upgradeRequest(pathOf(index), null)).join(''));
}
