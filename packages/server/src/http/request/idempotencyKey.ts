import type { IncomingMessage } from 'node:http';

/** The header Idempotency-Key; undefined when there is none. */
export function idempotencyKey({ headers }: IncomingMessage): string | undefined {
  // Node.js joins the values when a header of this name comes twice; only Set-Cookie is a list.
  return headers['idempotency-key'] as string | undefined;
}
