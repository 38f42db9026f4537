import type { EventFault } from './publishError.js';
import { retryAfterMs } from './retryDelay.js';

/** What the server said of a rejected request (RFC 9457), as far as it could be read. */
export interface Problem {
  readonly status: number;
  /** The error code of the server; null: something before the server answered. */
  readonly code: string | null;
  readonly detail: string;
  readonly errors: readonly EventFault[];
  /** The type that may not be published; null: none is named. */
  readonly eventType: string | null;
}

/** How a request ended. */
export type Answer =
  | {
      readonly kind: 'accepted';
      readonly acceptedAt: string;
      readonly eventIds: readonly string[];
      readonly duplicates: ReadonlySet<string>;
      readonly payloadDiffers: ReadonlySet<string>;
    }
  /** Nothing was published, and a repeat changes nothing. */
  | { readonly kind: 'refused'; readonly problem: Problem }
  /** Nothing was published: the token is not good. */
  | { readonly kind: 'unauthorized'; readonly problem: Problem }
  /** Nothing was published yet. */
  | { readonly kind: 'not_now'; readonly code: string; readonly hintMs: number | null }
  /** Some events, or all, may be published. */
  | { readonly kind: 'unknown'; readonly code: string; readonly hintMs: number | null };

/** Of a connection that was never there, so that no byte of the request can have arrived. */
const NOT_CONNECTED = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'UND_ERR_CONNECT_TIMEOUT']);

/** Sends one batch, an array of events as JSON. Never rejects, and tells no more of the token than that it is refused. */
export async function publishRequest(
  url: string,
  { body, token, signal }: { readonly body: string; readonly token: string; readonly signal: AbortSignal },
  count: number,
): Promise<Answer> {
  let response: Response;
  let text: string;
  try {
    response = await fetch(`${url}/events`, {
      method: 'POST',
      // A redirect could carry the token elsewhere.
      redirect: 'manual',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', accept: 'application/json' },
      body,
      signal,
    });
    text = await response.text();
  } catch (error) {
    const code = codeOf(error);
    return { kind: NOT_CONNECTED.has(code) ? 'not_now' : 'unknown', code, hintMs: null };
  }
  const { status } = response;
  const hintMs = retryAfterMs(response.headers.get('retry-after'));
  if (response.ok) return accepted(text, count) ?? { kind: 'unknown', code: 'UNREADABLE_ANSWER', hintMs };
  const problem = problemOf(status, text);
  const code = problem.code ?? `HTTP_${status}`;
  if (status === 401) return { kind: 'unauthorized', problem };
  if (status === 429) return { kind: 'not_now', code, hintMs };
  if (status >= 500 || status === 408 || status === 425) return { kind: 'unknown', code, hintMs };
  return { kind: 'refused', problem };
}

/** The system's name for it, such as ECONNRESET. The text of fetch's errors is not used: it can quote headers. */
function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'NETWORK_ERROR';
  if (error.name === 'AbortError' || error.name === 'TimeoutError') return 'REQUEST_TIMEOUT';
  const { cause } = error;
  return cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : 'NETWORK_ERROR';
}

function accepted(text: string, count: number): Answer | null {
  const { event_ids, accepted_at, duplicates, payload_differs } = objectIn(text);
  if (!isTexts(event_ids) || event_ids.length !== count || typeof accepted_at !== 'string') return null;
  return {
    kind: 'accepted',
    acceptedAt: accepted_at,
    eventIds: event_ids,
    duplicates: new Set(isTexts(duplicates) ? duplicates : []),
    payloadDiffers: new Set(isTexts(payload_differs) ? payload_differs : []),
  };
}

function problemOf(status: number, text: string): Problem {
  const { code, detail, errors, details } = objectIn(text);
  const eventType = isObject(details) ? details.event_type : null;
  return {
    status,
    code: typeof code === 'string' ? code : null,
    detail: typeof detail === 'string' ? detail : `The answer was ${status}.`,
    errors: Array.isArray(errors) ? errors.filter(isFault) : [],
    eventType: typeof eventType === 'string' ? eventType : null,
  };
}

function objectIn(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : {};
  } catch (error) {
    // A proxy answers with a page of its own.
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isTexts = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every((item) => typeof item === 'string');

const isFault = (value: unknown): value is EventFault =>
  isObject(value) && typeof value.path === 'string' && typeof value.message === 'string';
