import { Elapsed } from './elapsed.js';
import type { PublishError } from './publishError.js';
import type { PublishEvent, Published } from './publisherOptions.js';

/** An event from `publish()` until its promise is settled. */
export interface BufferedEvent {
  readonly id: string;
  /** Whether the id is the caller's own. */
  readonly given: boolean;
  /** As it is sent, each time the same: what the caller changes in the object later does not count. */
  readonly json: string;
  readonly eventType: string;
  readonly bytes: number;
  /** Users it is for; 0: everybody. */
  readonly targets: number;
  /** Since `publish()`. */
  readonly age: Elapsed;
  /** Since the first attempt that may have arrived; null: no attempt has. */
  uncertain: Elapsed | null;
  readonly resolve: (published: Published) => void;
  readonly reject: (error: PublishError) => void;
  /** Called once, before one of the two above. */
  onSettled: () => void;
}

const utf8 = new TextEncoder();

/** Null: it is no JSON object. */
export function bufferedEvent(
  event: PublishEvent,
  promise: Pick<BufferedEvent, 'resolve' | 'reject'>,
): BufferedEvent | null {
  if (typeof event !== 'object' || event === null || Array.isArray(event)) return null;
  const id = event.id ?? crypto.randomUUID();
  let json: string;
  try {
    json = JSON.stringify({ ...event, id });
  } catch (error) {
    // A circular object, or a BigInt.
    if (error instanceof Error) return null;
    throw error;
  }
  return {
    ...promise,
    id,
    given: event.id !== undefined,
    json,
    eventType: event.event_type,
    bytes: utf8.encode(json).length,
    targets: Array.isArray(event.target_user_ids) ? event.target_user_ids.length : 0,
    age: new Elapsed(),
    uncertain: null,
    onSettled: () => undefined,
  };
}
