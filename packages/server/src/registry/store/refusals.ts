import { CLOSE, type CloseCode } from '@unified-ws/protocol';

/** Why claim.lua or reconcile.lua refuses a connection. The scripts return the reason; only this table has its close code. */
const CODES: ReadonlyMap<unknown, CloseCode> = new Map<unknown, CloseCode>([
  ['banned', CLOSE.BANNED],
  ['token_revoked', CLOSE.TOKEN_REVOKED],
  ['token_expired', CLOSE.TOKEN_EXPIRED],
  ['replaced', CLOSE.SUPERSEDED],
  ['newer_attempt', CLOSE.NEWER_ATTEMPT],
  // Too many replaced connections are not yet confirmed closed.
  ['busy', CLOSE.UNAVAILABLE],
]);

/** @throws when a script names a reason that is not in the table. */
export function closeCodeOf(reason: unknown): CloseCode {
  const code = CODES.get(reason);
  if (code === undefined) throw new Error(`A registry script refused with the unknown reason ${String(reason)}.`);
  return code;
}
