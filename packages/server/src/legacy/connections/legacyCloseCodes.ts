import { CLOSE, type CloseCode } from '@unified-ws/protocol';

/** Old clients stop for good on 1008 (and 4001), the global service of theirs on 1000 too, and come back on anything else. */
export const STAY_AWAY = 1008;
/** Back at once, here or elsewhere. */
const RESTART = 1012;
/** Back after a while: browsers and the old clients' own backoff take it so. */
const TRY_LATER = 1013;
export const REPLACED = 1000;
export const REPLACED_REASON = 'Replaced by new connection';

/**
 * What an old client is closed with where this protocol's own is meant. Wrong either way would hurt: told to come back it hammers with
 * what will be refused again; told to stay away it is dead until its page is loaded anew. Every code is here: one that is added to
 * the protocol does not compile before its row is.
 */
const CODES: Readonly<Record<CloseCode, number>> = {
  // It would be refused again, or an admin wants it gone.
  [CLOSE.DISCONNECTED_BY_ADMIN]: STAY_AWAY,
  [CLOSE.BANNED]: STAY_AWAY,
  [CLOSE.TOKEN_REVOKED]: STAY_AWAY,
  [CLOSE.AUTH_FAILED]: STAY_AWAY,
  // The same client would do the same again.
  [CLOSE.TOO_MANY_ERRORS]: STAY_AWAY,
  [CLOSE.PROTOCOL_VIOLATION]: STAY_AWAY,
  // While connected: most fetch the token from where the page keeps it fresh. One that has no other is refused at its next connect.
  [CLOSE.TOKEN_EXPIRED]: TRY_LATER,
  // Its token came with the upgrade: it is the keys that did not come in time.
  [CLOSE.AUTH_TIMEOUT]: TRY_LATER,
  [CLOSE.DRAINING]: RESTART,
  [CLOSE.TOO_SLOW]: TRY_LATER,
  [CLOSE.NO_PONG]: TRY_LATER,
  [CLOSE.CONNECTION_LIMIT]: TRY_LATER,
  [CLOSE.RATE_LIMIT]: TRY_LATER,
  [CLOSE.LEASE_LOST]: TRY_LATER,
  [CLOSE.UNAVAILABLE]: TRY_LATER,
  // Never sent to a legacy connection, which its own group replaces (REPLACED) and no policy refuses.
  [CLOSE.SUPERSEDED]: TRY_LATER,
  [CLOSE.ALREADY_CONNECTED]: TRY_LATER,
  [CLOSE.NEWER_ATTEMPT]: TRY_LATER,
};

/** The code for an old client. Codes of RFC 6455 stay as they are; a code that only another node's build knows brings it back. */
export function legacyCode(code: number): number {
  const known: Readonly<Record<number, number | undefined>> = CODES;
  return code < 4000 ? code : (known[code] ?? TRY_LATER);
}
