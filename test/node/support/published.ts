import { createPublisher, PublishError, type Publisher, type PublisherOptions } from '@unified-ws/client/publisher';
import { REST_BASE } from '@unified-ws/protocol';
import { expect } from 'chai';
import type { TestClient } from '../../support/client.js';
import { token } from '../../support/tokens.js';
import { until } from '../../support/wait.js';

/** The role of a service that publishes. */
const SERVICE = { roles: ['service'], claims: { permissions: ['events:publish', 'events:receive'] } };

export const serviceToken = (sub = 'service-1', lifetimeS = 3600): string => token(sub, { ...SERVICE, lifetimeS });

/** A publisher that is closed by `endPublishers`. */
export function publisherFor(http: string, options: Partial<PublisherOptions> = {}): Publisher {
  const publisher = createPublisher({ url: `${http}${REST_BASE}`, getToken: () => serviceToken(), ...options });
  open.push(publisher);
  return publisher;
}

const open: Publisher[] = [];

export async function endPublishers(): Promise<void> {
  await Promise.all(open.splice(0).map((publisher) => publisher.close({ timeoutMs: 0 })));
}

/** The n-th event of a run, in order per key. */
export function numbered(run: string, n: number, keys = 3): { event_type: string; data: object; ordering_key: string } {
  const key = `${run}-${n % keys}`;
  return { event_type: 'custom_event', data: { run, key, n }, ordering_key: key };
}

/** What of a run has come, by key. */
function receivedOf(client: TestClient, run: string): Map<string, number[]> {
  const byKey = new Map<string, number[]>();
  for (const { data } of client.events) {
    if (data.run !== run) continue;
    const [key, n] = [String(data.key), Number(data.n)];
    byKey.set(key, [...(byKey.get(key) ?? []), n]);
  }
  return byKey;
}

/**
 * Each event of the run has come once, and those of a key in order.
 *
 * @param missing these must not have come.
 */
export async function expectOnceInOrder(
  client: TestClient,
  run: string,
  count: number,
  { keys = 3, missing = [] }: { readonly keys?: number; readonly missing?: readonly number[] } = {},
): Promise<void> {
  const expected = new Map<string, number[]>();
  for (let n = 0; n < count; n += 1) {
    if (missing.includes(n)) continue;
    const key = `${run}-${n % keys}`;
    expected.set(key, [...(expected.get(key) ?? []), n]);
  }
  const total = count - missing.length;
  const came = (): number => [...receivedOf(client, run).values()].reduce((sum, list) => sum + list.length, 0);
  await until(() => came() >= total, { what: () => `${total} events; came: ${came()}`, timeoutMs: 20_000 });
  expect([...receivedOf(client, run)].sort()).to.deep.equal([...expected].sort());
}

/** The error of a publish. */
export async function failureOf(promise: Promise<unknown>): Promise<PublishError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof PublishError) return error;
    throw error;
  }
  throw new Error('the event was published');
}
