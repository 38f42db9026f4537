import type { BufferedEvent } from './bufferedEvent.js';
import type { PublisherCode } from './publishError.js';
import type { PublisherSettings } from './publisherOptions.js';

/** The share of the idempotency window in which a retry may begin. The remainder is for a request that arrives late. */
const RETRIED_SHARE = 0.8;

const TEXTS = {
  DELIVERY_TIMEOUT: 'The server did not accept the event in time.',
  OUTCOME_UNKNOWN:
    'No attempt was answered. The event may have been published. Another attempt could publish it twice, because the server forgets ids.',
} as const satisfies Partial<Record<PublisherCode, string>>;

/** The end of an event's time. */
export interface TimeLimit {
  readonly code: keyof typeof TEXTS;
  readonly text: string;
  /** Until then; not positive: it is over. */
  readonly leftMs: number;
}

/** What ends first: the time for delivery, or the time in which a retry cannot double the event. */
export function timeLimit({ age, uncertain }: BufferedEvent, settings: PublisherSettings): TimeLimit {
  const { deliveryTimeoutMs, idempotencyWindowMs } = settings;
  const deliveryMs = deliveryTimeoutMs - age.ms;
  const retryMs = uncertain ? idempotencyWindowMs * RETRIED_SHARE - uncertain.atLeastMs : Number.POSITIVE_INFINITY;
  const code = retryMs < deliveryMs ? 'OUTCOME_UNKNOWN' : 'DELIVERY_TIMEOUT';
  return { code, text: TEXTS[code], leftMs: Math.min(deliveryMs, retryMs) };
}
