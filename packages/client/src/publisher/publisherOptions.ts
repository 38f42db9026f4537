/** Why a token is asked for. `initial`: the first one. `refused`: the server answered 401 to the last one. */
export type PublisherTokenReason = 'initial' | 'refused';

/** An event to publish. docs/PROTOCOL.md has the limits of each field. */
export interface PublishEvent {
  /** A type of the catalogue. */
  readonly event_type: string;
  /** A JSON object. */
  readonly data: object;
  /**
   * `[A-Za-z0-9_-]{1,64}`; counts per publishing user. The server publishes an id once, however often it comes, for IDEMPOTENCY_WINDOW_MS.
   * Give one that follows from your data (`order-17-shipped`) if the event must not come twice after a restart of your service.
   * Default: a random UUID.
   */
  readonly id?: string;
  readonly priority?: 'low' | 'normal' | 'high' | 'critical' | 'urgent';
  readonly severity?: 'debug' | 'info' | 'warning' | 'error' | 'critical';
  /** A JSON object that travels with the event. */
  readonly metadata?: object;
  /** Only for these users, through their mailboxes. At most 1,000. */
  readonly target_user_ids?: readonly string[];
  /** Only for users with one of these roles. */
  readonly roles?: readonly string[];
  /** Only for users with this permission too. */
  readonly permission?: string;
  /** Not for these users. */
  readonly exclude?: readonly string[];
  /** Events of one key keep their order. Default: the target user if there is exactly one, else the event type. */
  readonly ordering_key?: string;
  /** Default: the type's. An `ephemeral` event whose answer is lost may come twice, under the same id. */
  readonly delivery?: 'durable' | 'ephemeral';
  readonly conflation_key?: string;
  /** Milliseconds. Not with `deliver_at`. */
  readonly delay_ms?: number;
  /** RFC 3339. Not with `delay_ms`. */
  readonly deliver_at?: string;
  /** RFC 3339. An event that is not processed by then is dropped. */
  readonly expires_at?: string;
}

/** An event that the server has accepted: it survives the death of every node. */
export interface Published {
  /** As the event carries it: the given id behind eight characters that stand for the publishing user. */
  readonly eventId: string;
  /** RFC 3339. */
  readonly acceptedAt: string;
  /** True: the server knew the id and added nothing. Also after a retry whose first attempt had arrived. */
  readonly duplicate: boolean;
}

export interface PublisherOptions {
  /** Where the REST routes are, such as `https://example.com/api/unified/ws`. */
  readonly url: string;
  /**
   * Gives an access token with the permission `events:publish`. It is asked once at the start, and after each 401. All tokens must be of
   * one user, because ids count per user. What it throws is retried, but an error whose name is `UnauthorizedError` ends all events that
   * wait. `signal` is aborted when nobody waits for the token any more.
   */
  readonly getToken: (request: {
    readonly reason: PublisherTokenReason;
    readonly signal: AbortSignal;
  }) => string | Promise<string>;
  /** Events of one request, at most 1,000. Default 500. */
  readonly maxBatchEvents?: number;
  /** Bytes of one request, at most 1 MiB. A larger event goes alone. Default 256 KiB. */
  readonly maxBatchBytes?: number;
  /** How long an event waits for others to share its request, in ms. Default 5. */
  readonly lingerMs?: number;
  /** Events in memory, those of the request under way included. Default 10,000. */
  readonly maxBufferedEvents?: number;
  /** Bytes of these events as JSON. Default 16 MiB. */
  readonly maxBufferedBytes?: number;
  /**
   * What `publish()` does when the buffer is full. `reject`: rejects with `BUFFER_FULL`. `wait`: waits for room, in the order of the calls.
   * Only a caller who awaits each `publish()` bounds memory with `wait`. Default `reject`.
   */
  readonly whenFull?: 'reject' | 'wait';
  /** Time from `publish()` after which an event is given up with `DELIVERY_TIMEOUT`, in ms. Default 600,000. */
  readonly deliveryTimeoutMs?: number;
  /** Time for one request and for one call of `getToken`, in ms. Default 10,000. */
  readonly requestTimeoutMs?: number;
  /**
   * IDEMPOTENCY_WINDOW_MS of the server. An event whose outcome is unknown is retried for 80 % of it, and then rejected with
   * `OUTCOME_UNKNOWN`. Default 300,000, the least that a server may have.
   */
  readonly idempotencyWindowMs?: number;
  /** Aborted: as `close({ timeoutMs: 0 })`. */
  readonly signal?: AbortSignal;
}

export interface PublishOptions {
  /** Aborted: the promise is rejected at once with `ABORTED`. An event that is under way may still be published. */
  readonly signal?: AbortSignal;
}

export interface ClosePublisherOptions {
  /** Time for what is buffered, in ms. Default 10,000. */
  readonly timeoutMs?: number;
}

/** The last attempt that failed, while the publisher tries again. */
export interface PublishFailure {
  /** A code of the server, of the system (`ECONNREFUSED`), `HTTP_502`, `REQUEST_TIMEOUT` or `TOKEN_UNAVAILABLE`. */
  readonly code: string;
  /** Failures in a row. */
  readonly attempts: number;
  /** Until the next attempt, from the failure on. */
  readonly retryInMs: number;
}

/** The options with their defaults. */
export type PublisherSettings = Required<Omit<PublisherOptions, 'signal'>>;

const MAX_EVENTS = 1000;
const MAX_BYTES = 1024 * 1024;
const DEFAULTS = {
  maxBatchEvents: 500,
  maxBatchBytes: 256 * 1024,
  lingerMs: 5,
  maxBufferedEvents: 10_000,
  maxBufferedBytes: 16 * 1024 * 1024,
  deliveryTimeoutMs: 600_000,
  requestTimeoutMs: 10_000,
  idempotencyWindowMs: 300_000,
};
type NumberOption = keyof typeof DEFAULTS;
const NUMBER_OPTIONS = Object.keys(DEFAULTS) as NumberOption[];
const LEAST: Partial<Record<NumberOption, number>> = { lingerMs: 0 };
const MOST: Partial<Record<NumberOption, number>> = { maxBatchEvents: MAX_EVENTS, maxBatchBytes: MAX_BYTES };

/** @throws TypeError for an option that cannot be meant. */
export function publisherSettings(options: PublisherOptions): PublisherSettings {
  const numbers = { ...DEFAULTS };
  for (const name of NUMBER_OPTIONS) {
    const value = options[name] ?? DEFAULTS[name];
    const [least, most] = [LEAST[name] ?? 1, MOST[name] ?? Number.POSITIVE_INFINITY];
    if (!(value >= least && value <= most)) throw new TypeError(`${name} must be a number from ${least} to ${most}.`);
    numbers[name] = value;
  }
  const { getToken, whenFull = 'reject' } = options;
  if (typeof getToken !== 'function') throw new TypeError('getToken must be a function.');
  if (whenFull !== 'reject' && whenFull !== 'wait') throw new TypeError('whenFull must be "reject" or "wait".');
  return { ...numbers, getToken, whenFull, url: restUrl(options.url) };
}

function restUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  // The text is left out: a URL can carry a password.
  if (url === null || !/^https?:$/.test(url.protocol)) throw new TypeError('url must begin with http:// or https://.');
  if (url.username !== '' || url.password !== '') throw new TypeError('url must not carry a user or a password.');
  if (url.search !== '' || url.hash !== '') throw new TypeError('url must not have a query or a fragment.');
  return url.href.replace(/\/+$/, '');
}
