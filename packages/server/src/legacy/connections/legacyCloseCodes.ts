import { CLOSE, type CloseCode } from '@unified-ws/protocol';

/** Old clients stop for good after 1008 and 4001 (the global service also after 1000), and reconnect after any other code. */
export const STAY_AWAY = 1008;
/** Reconnect at once, to any node. */
const RESTART = 1012;
/** Reconnect later: browsers and the backoff of old clients understand it so. */
const TRY_LATER = 1013;
export const REPLACED = 1000;
export const REPLACED_REASON = 'Replaced by new connection';

/**
 * The code that an old client gets instead of a code of this protocol. Both mistakes hurt: a client that reconnects for ever loads the
 * server, and a client that stays away is dead until its page is reloaded. Every code is here: a new code of the protocol does not
 * compile without its row.
 */
const CODES: Readonly<Record<CloseCode, number>> = {
  // A reconnect would be refused again, or an admin wants the client to stay away.
  [CLOSE.DISCONNECTED_BY_ADMIN]: STAY_AWAY,
  [CLOSE.BANNED]: STAY_AWAY,
  [CLOSE.TOKEN_REVOKED]: STAY_AWAY,
  [CLOSE.AUTH_FAILED]: STAY_AWAY,
  // The same client would make the same mistake again.
  [CLOSE.TOO_MANY_ERRORS]: STAY_AWAY,
  [CLOSE.PROTOCOL_VIOLATION]: STAY_AWAY,
  // While connected: most clients get a fresh token from their page. Others are refused at the next connect.
  [CLOSE.TOKEN_EXPIRED]: TRY_LATER,
  // The token came with the upgrade, so the keys to verify it did not arrive in time.
  [CLOSE.AUTH_TIMEOUT]: TRY_LATER,
  [CLOSE.DRAINING]: RESTART,
  [CLOSE.TOO_SLOW]: TRY_LATER,
  [CLOSE.NO_PONG]: TRY_LATER,
  [CLOSE.CONNECTION_LIMIT]: TRY_LATER,
  [CLOSE.RATE_LIMIT]: TRY_LATER,
  [CLOSE.LEASE_LOST]: TRY_LATER,
  [CLOSE.UNAVAILABLE]: TRY_LATER,
  // Never sent to a legacy connection: its own group replaces it (REPLACED), and CONNECTION_POLICY does not apply.
  [CLOSE.SUPERSEDED]: TRY_LATER,
  [CLOSE.ALREADY_CONNECTED]: TRY_LATER,
  [CLOSE.NEWER_ATTEMPT]: TRY_LATER,
};

/** The code for an old client. Codes of RFC 6455 stay as they are. A code that only a newer build knows means "reconnect later". */
export function legacyCode(code: number): number {
  const known: Readonly<Record<number, number | undefined>> = CODES;
  return code < 4000 ? code : (known[code] ?? TRY_LATER);
}
