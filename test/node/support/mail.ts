import { randomBytes } from 'node:crypto';
import { Mailboxes } from '@unified-ws/server/events/mailbox/mailboxes';
import { MailCourier } from '@unified-ws/server/events/mailbox/mailCourier';
import type { RedisClient } from '@unified-ws/server/redis/connect';
import { Keys } from '@unified-ws/server/redis/keys';
import { systemClock } from '@unified-ws/server/util/clock';
import type { TestClient } from '../../support/client.js';
import type { RedisServer } from '../../support/redis.js';

export interface MailOptions {
  /** `lost`: the owner's node is not told. Default `heard`. */
  readonly bus?: 'heard' | 'lost';
  readonly size?: number;
  readonly bytes?: number;
}

/** Mailboxes beside the nodes, so that a test decides what one append holds and whether the bus carries it. */
export function mailOf(server: RedisServer, options: MailOptions = {}): Mailboxes {
  return mailOn(server.client(), options);
}

/** As `mailOf`, through a client that the caller ends. */
export function mailOn(
  redis: RedisClient,
  { bus = 'heard', size = 100, bytes = 4 * 1024 * 1024 }: MailOptions = {},
): Mailboxes {
  const keys = new Keys('uws');
  const courier = new MailCourier({
    bus: { sendText: (lease, text) => void redis.publish(keys.nodeChannel(lease), text) },
    clock: systemClock,
    lease: () => 'none of the nodes',
    deliver: () => undefined,
    report: (error) => {
      throw error;
    },
  });
  return new Mailboxes({
    redis,
    keys,
    random: randomBytes,
    mailboxSize: size,
    mailboxBytes: bytes,
    mailboxTtlMs: 86_400_000,
    onAppended: (mail) => {
      if (bus === 'heard') courier.send(mail);
    },
  });
}

/** `n` of the targeted events that a client received, in order. */
export const mailNumbers = (client: TestClient): unknown[] =>
  client.events.filter(({ scope }) => scope === 'user').map(({ data }) => data.n);

export const gapsOf = (client: TestClient): Record<string, unknown>[] =>
  client.frames.filter(({ type }) => type === 'gap').map(({ data }) => data);

export const upTo = (count: number, from = 0): number[] => Array.from({ length: count }, (_, n) => from + n);
