import { GrantCap } from '../auth/grantCap.js';
import { loadIssuers } from '../auth/issuers.js';
import { createIssuer, createKeySource } from '../auth/keyRing.js';
import { TokenVerifier } from '../auth/tokenVerifier.js';
import { Authority, type AuthorityParts } from '../connections/lifecycle/authority.js';
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
  const { settings, clock, machineClock, tokenClock, random, logger, report, table, unregistered } = delivery;
  const { store, claims, catalogue, roles, fanout, userScope, typeSets, securityRecords } = delivery;
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
    clock,
    tokenClock,
    random,
    pingIntervalMs: settings.pingIntervalMs,
    pingTimeoutMs: settings.pingTimeoutMs,
    heartbeatIntervalMs: settings.heartbeatIntervalMs,
    authTimeoutMs: settings.authTimeoutMs,
    position: () => {
      fanout.flush();
      return fanout.positionText;
    },
    mailboxPosition: (connection) => userScope.unreportedPosition(connection),
    positionOf: (connection) => fanout.memberPositionText(connection),
    onAuthTimeout,
  });
  const backpressure = new Backpressure({
    clock,
    logger,
    delayMs: settings.recoveryDelayMs,
    attempts: settings.recoveryAttempts,
    onWritable: (connection) => {
      fanout.onWritable(connection);
      userScope.wake(connection);
    },
  });
  const clearances = new Clearances();
  const authorityParts: AuthorityParts = {
    catalogue,
    roles,
    clearances,
    typeSets,
    fanout,
    liveness,
    store,
    clock,
    tokenClock,
    report,
    maxSubscriptions: settings.maxSubscriptions,
    noticeMs: settings.tokenNoticeMs,
    graceMs: settings.tokenGraceMs,
  };
  const authority = new Authority(authorityParts);
  const sockets = new Sockets({
    clock,
    logger,
    table,
    fanout,
    userScope,
    claims,
    liveness,
    backpressure,
    unregistered,
    healthLimits: { ...settings, clock },
    securityRecords,
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
