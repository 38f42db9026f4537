import { setTimeout as delay } from 'node:timers/promises';
import { monoMs } from './procfs.js';

/**
 * Calls `send` for each message with its due time. Late messages are sent together, and their latency counts from the due time, so that a
 * driver that falls behind does not hide it.
 */
export async function pace(rate: number, messages: number, send: (due: number) => void): Promise<void> {
  const began = monoMs();
  const step = 1000 / rate;
  for (let sent = 0; sent < messages; ) {
    const wait = began + sent * step - monoMs();
    if (wait > 0) await delay(wait);
    for (; sent < messages && began + sent * step <= monoMs(); sent += 1) send(began + sent * step);
  }
}
