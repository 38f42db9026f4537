import { CLOSE, WS_PATH } from '@unified-ws/protocol';
import type { Reports } from '../admin/reports/reports.js';
import { authError } from '../auth/tokenVerifier.js';
import { CONNECT_DURATION, REPLACE_DURATION } from '../connections/connectionMetrics.js';
import { Inbound } from '../connections/inbound/inbound.js';
import { Connection } from '../connections/lifecycle/connection.js';
import { PeerCheck } from '../connections/lifecycle/peerCheck.js';
import { askerOf } from '../connections/lifecycle/securityRecords.js';
import { AddressLimit } from '../connections/limits/addressLimit.js';
import { ConnectRate } from '../connections/limits/connectRate.js';
import { Acceptor } from '../connections/upgrade/acceptor.js';
import { ReplacementAllowance } from '../connections/upgrade/replacementAllowance.js';
import { type Endpoint, type RefusalReason, Upgrades } from '../connections/upgrade/upgrades.js';
import { Resumes } from '../delivery/resumes.js';
import { PreferenceFormat } from '../delivery/selection/preferences.js';
import { SavedPreferences } from '../delivery/selection/savedPreferences.js';
import { SavedSubscriptions } from '../delivery/selection/subscriptions.js';
import { Dispatcher } from '../messages/dispatcher.js';
import { ackHandlers } from '../messages/handlers/ackHandlers.js';
import { adminHandlers } from '../messages/handlers/adminHandlers.js';
import { basicHandlers } from '../messages/handlers/basicHandlers.js';
import { healthHandlers } from '../messages/handlers/healthHandlers.js';
import { preferenceHandlers } from '../messages/handlers/preferenceHandlers.js';
import { queueHandlers } from '../messages/handlers/queueHandlers.js';
import { reportHandlers } from '../messages/handlers/reportHandlers.js';
import { subscriptionHandlers } from '../messages/handlers/subscriptionHandlers.js';
import { tokenHandlers } from '../messages/handlers/tokenHandlers.js';
import { AppError } from '../util/appError.js';
import type { ExtensionsParts } from './composeExtensions.js';

/** Why upgrades are refused, and when to come back, seconds. */
const AVAILABLE = { reason: '', retryAfterS: 0 };
const DRAINING = { reason: 'This node is draining.', retryAfterS: 1 };
const CUT_OFF = { reason: 'This node cannot reach the cluster.', retryAfterS: 2 };

/** Refusals that a correct client never causes. The other reasons are a lack of resources on this node. */
const HOSTILE: ReadonlySet<RefusalReason> = new Set(['origin', 'rate', 'auth_failures']);

export type EntranceParts = ReturnType<typeof composeEntrance>;

/** The entrance: upgrades, authentication, and messages of clients. @param reports a call upwards: reports are made later. */
export function composeEntrance(parts: ExtensionsParts, reports: () => Reports) {
  const {
    settings,
    nodeId,
    clock,
    random,
    logger,
    securityRecords,
    report,
    counts,
    durations,
    errorLog,
    keys,
    redis,
    addresses,
  } = parts;
  const { table, isDraining, claims, commands, recovery, isServing, log } = parts;
  const { fanout, userScope, acks, verifier, authFailures, authority, liveness, sockets } = parts;
  const { disconnects, announcements, publications, queueAdmin, eventRecords, otherEndpointAt, onEstablished } = parts;
  const connectRate = new ConnectRate({ clock, random, report });
  const preferenceFormat = new PreferenceFormat();
  const dispatcher = new Dispatcher({
    handlers: {
      ...basicHandlers(clock),
      ...ackHandlers(acks),
      ...healthHandlers({ ...settings, clock }),
      ...subscriptionHandlers({ ...parts, saved: new SavedSubscriptions(redis, keys) }),
      ...preferenceHandlers({ ...parts, saved: new SavedPreferences(redis, keys, preferenceFormat) }),
      ...tokenHandlers(parts),
      ...adminHandlers({ disconnects, announcements, publications }),
      ...queueHandlers(queueAdmin, eventRecords),
      ...reportHandlers(reports),
    },
    ...settings,
    clock,
    report,
    onMessage: (type) => counts.message(type),
    onError: (connection, error) => errorLog.onConnection(connection, error.code),
    onRefused: (connection, error, type) => securityRecords.refused(askerOf(connection), error, type),
  });
  const sendError = dispatcher.sendError.bind(dispatcher);
  const inbound = new Inbound({
    ...settings,
    clock,
    report,
    sendError,
    handle: (connection, text) => dispatcher.handle(connection, text),
    onFirstMessage: (connection, text) => {
      try {
        acceptor.firstMessage(connection, dispatcher.readAuthenticate(connection, text));
      } catch (error) {
        if (!(error instanceof AppError)) throw error;
        acceptor.refuse(connection, error, CLOSE.AUTH_FAILED);
      }
    },
  });
  const acceptor = new Acceptor({
    verifier,
    authFailures,
    connectRate,
    authority,
    preferenceFormat,
    claims,
    peerCheck: new PeerCheck({ commands, table, liveness, timeoutMs: settings.commandTimeoutMs }),
    table,
    fanout,
    userScope,
    resumes: new Resumes(log, fanout),
    liveness,
    clock,
    logger,
    securityRecords,
    report,
    nodeId,
    mayDeliver: isServing,
    sendError,
    onEstablished: (connection, tookMs, hasReplaced) => {
      counts.connected(hasReplaced);
      durations.observe(CONNECT_DURATION, tookMs);
      if (hasReplaced) durations.observe(REPLACE_DURATION, tookMs);
      securityRecords.connected(connection, hasReplaced);
      onEstablished(connection);
      inbound.process(connection);
    },
    limits: {
      max_payload: settings.maxPayload,
      max_subscriptions: settings.maxSubscriptions,
      message_rate: settings.messageRate,
      message_burst: settings.messageBurst,
    },
    heartbeatIntervalMs: settings.heartbeatIntervalMs,
  });
  const endpoint: Endpoint = (ws, socket, origin, { token, carrier }) => {
    const connection = new Connection(ws, socket, origin, sockets, settings);
    sockets.add(connection);
    inbound.attach(connection);
    // A token in the query that is not accepted must be refused at once: otherwise the client would wait without learning why.
    if (token === null && carrier === 'query') acceptor.refuseToken(connection, authError('query_token'));
    else acceptor.accept(connection, token);
  };
  const upgrades = new Upgrades({
    ...settings,
    logger,
    addressLimit: new AddressLimit(clock, settings.connectRatePerIp, settings.connectBurstPerIp),
    authFailures,
    connectRate,
    replacements: new ReplacementAllowance(verifier, table),
    addresses,
    sockets,
    unavailable: () => {
      if (isDraining()) return DRAINING;
      return recovery.recoveryState === 'serving' ? AVAILABLE : CUT_OFF;
    },
    onRefused: (reason, ip) => {
      counts.upgradeRefused(reason);
      if (HOSTILE.has(reason)) securityRecords.upgradeRefused(ip, reason);
    },
    endpointAt: (path) => (path === WS_PATH ? endpoint : otherEndpointAt(path)),
  });
  return { ...parts, connectRate, acceptor, upgrades };
}
