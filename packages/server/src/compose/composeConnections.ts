import { GrantCap } from '../auth/grantCap.js';
import { loadIssuers } from '../auth/issuers.js';
import { createIssuer, createKeySource } from '../auth/keyRing.js';
import { TokenVerifier } from '../auth/tokenVerifier.js';
import { Authority } from '../connections/lifecycle/authority.js';
import { Backpressure } from '../connections/lifecycle/backpressure.js';
import type { Connection } from '../connections/lifecycle/connection.js';
import { Liveness } from '../connections/lifecycle/liveness.js';
import { Sockets } from '../connections/lifecycle/sockets.js';
import { AddressLimit } from '../connections/limits/addressLimit.js';
import { AuthFailures } from '../connections/limits/authFailures.js';
import { Clearances } from '../delivery/selection/clearances.js';
import type { DeliveryParts } from './composeDelivery.js';

export type ConnectionsParts = ReturnType<typeof composeConnections>;

/**
 * The open connections: identity, permissions, liveness.
 *
 * @param onAuthTimeout upwards: the connection sent no token in time.
 */
export function composeConnections(delivery: DeliveryParts, onAuthTimeout: (connection: Connection) => void) {
  const { settings, clock, machineClock, tokenClock, random, logger, report, fanout, userScope } = delivery;
  const verifier = new TokenVerifier(createKeySource(settings, { clock, report }), {
    issuer: settings.jwtIssuer,
    audience: settings.jwtAudience,
    names: {
      user: settings.jwtUserClaim,
      username: settings.jwtUsernameClaim,
      roles: settings.jwtRolesClaim,
      permissions: settings.jwtPermissionsClaim,
      session: settings.jwtSessionClaim,
    },
    cap: new GrantCap(settings.jwtGrants),
    others: (settings.jwtIssuers === null ? [] : loadIssuers(settings.jwtIssuers)).map((other) =>
      createIssuer(other, settings.jwtAlgorithms, { clock, report }),
    ),
    clock: machineClock,
    clusterTime: clock,
  });
  const failureLimit = new AddressLimit(clock, settings.authFailureRate, settings.authFailureBurst);
  const authFailures = new AuthFailures(failureLimit, verifier);
  const liveness = new Liveness({
    ...settings,
    clock,
    tokenClock,
    random,
    position: () => fanout.positionText,
    mailboxPosition: (connection) => userScope.unreportedPosition(connection),
    positionOf: (connection) => fanout.memberPositionText(connection),
    onAuthTimeout,
  });
  const backpressure = new Backpressure({
    ...settings,
    clock,
    logger,
    onWritable: (connection) => {
      fanout.onWritable(connection);
      userScope.wake(connection);
    },
  });
  const clearances = new Clearances();
  const authorityParts = { ...settings, ...delivery, clearances, liveness };
  const authority = new Authority(authorityParts);
  const sockets = new Sockets({
    ...delivery,
    liveness,
    backpressure,
    healthLimits: { ...settings, clock },
    amend: (connection, amendment) => authority.amend(connection, amendment),
  });
  return {
    ...delivery,
    verifier,
    authFailures,
    liveness,
    backpressure,
    clearances,
    authorityParts,
    authority,
    sockets,
  };
}
