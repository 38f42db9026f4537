/** What is known of the event when its promise is rejected. `unknown`: it may have been published, or may still be. */
export type PublishOutcome = 'not_published' | 'unknown';

/** Codes that the publisher itself gives. All other codes are those of the server, such as `VALIDATION_ERROR`. */
export type PublisherCode =
  /** The buffer is full, and `whenFull` is `reject`. */
  | 'BUFFER_FULL'
  /** The event is no JSON object, or is larger than the whole buffer. */
  | 'INVALID_EVENT'
  /** `close()` was called: before `publish()`, or its deadline came before the server's answer. */
  | 'CLOSED'
  /** The `signal` of `publish()` was aborted. `cause` is its reason. */
  | 'ABORTED'
  /** `deliveryTimeoutMs` is over. */
  | 'DELIVERY_TIMEOUT'
  /** No attempt was answered, and another one could publish the event twice: the server may have forgotten its id. */
  | 'OUTCOME_UNKNOWN'
  /** The server knows the id with another payload. This payload was not published. */
  | 'PAYLOAD_DIFFERS'
  /** `getToken` threw an `UnauthorizedError`, or the server refused several new tokens in a row. */
  | 'UNAUTHORIZED'
  /** The server, or something before it, answered with a status that a repeat does not change. */
  | 'REFUSED';

export interface PublishErrorFacts {
  readonly outcome: PublishOutcome;
  readonly eventId?: string | null;
  readonly status?: number | null;
  readonly errors?: readonly EventFault[];
  readonly cause?: unknown;
}

/** What is wrong with an event. */
export interface EventFault {
  /** JSON Pointer into the event, such as `/data/status`. */
  readonly path: string;
  readonly message: string;
}

/**
 * Why an event was not published, or why nobody knows. It never holds a token.
 *
 * @example
 * try {
 *   await publisher.publish(event);
 * } catch (error) {
 *   if (error instanceof PublishError && error.outcome === 'unknown') reconcile(error.eventId);
 *   else throw error;
 * }
 */
export class PublishError extends Error {
  override readonly name = 'PublishError';
  /** For programs: a `PublisherCode`, or the error code of the server. */
  readonly code: string;
  /** Whether the event may have been published all the same. Publishing it again under another id could then double it. */
  readonly outcome: PublishOutcome;
  /** The `id` of the event, given or made; null when it never got one. */
  readonly eventId: string | null;
  /** HTTP status of the answer; null without one. */
  readonly status: number | null;
  /** For `VALIDATION_ERROR`: what is wrong with this event. */
  readonly errors: readonly EventFault[];

  constructor(code: string, message: string, facts: PublishErrorFacts) {
    super(message, facts.cause === undefined ? {} : { cause: facts.cause });
    this.code = code;
    this.outcome = facts.outcome;
    this.eventId = facts.eventId ?? null;
    this.status = facts.status ?? null;
    this.errors = facts.errors ?? [];
  }
}
