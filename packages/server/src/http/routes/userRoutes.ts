import { CLOCK_TOLERANCE_S } from '../../auth/tokenVerifier.js';
import { AppError } from '../../util/appError.js';
import { parseTime } from '../../util/parseTime.js';
import { readUserId } from '../request/bodyReader.js';
import { actorOf } from '../request/caller.js';
import type { RestParts } from '../request/restParts.js';
import { invalid, RestProblem } from '../request/restProblem.js';
import type { Router } from '../request/router.js';

/** Single users' connections, tokens and permissions. */
export function userRoutes(
  router: Router,
  { disconnects, permissionChanges, revocations, reports, store, clock, report }: RestParts,
): void {
  router.operation('getUser', async ({ params }) => {
    const userId = readUserId(params.user_id);
    const [found, ban] = await Promise.all([reports.connections.find(userId), banOf(userId)]);
    if (found !== null) return { ...found, ban };
    // There is no connection to show, but the answer to a banned user says why.
    throw new RestProblem(404, 'NOT_FOUND', 'This user is not connected.', ban ? { details: { ban } } : {});
  });

  /** 200 for every result. `node_unreachable` is no failure: the connection is fenced in Redis and closes when its node wakes (C15). */
  router.operation('disconnectUser', ({ params, body: { reason, ban_seconds }, ...call }) => {
    const order = {
      userId: readUserId(params.user_id),
      ...(reason === undefined ? {} : { reason }),
      ...(ban_seconds === undefined ? {} : { banSeconds: ban_seconds }),
    };
    return disconnects.disconnect(order, actorOf(call));
  });

  /** 200 for every result: the revocation is stored, and applies to every later connect, request and delivery of the order. */
  router.operation('revokeUser', ({ params, body: { before, session, reason }, ...call }) => {
    const order = {
      userId: readUserId(params.user_id),
      ...(before === undefined ? {} : { before: readBefore(before) }),
      ...(session === undefined ? {} : { session }),
      ...(reason === undefined ? {} : { reason }),
    };
    return revocations.revoke(order, actorOf(call));
  });

  router.operation('liftBan', ({ params, query: { reason }, ...call }) =>
    revocations.lift(readUserId(params.user_id), reason, actorOf(call)),
  );

  /** 200 for every result: the order is stored, and applies to every later connect and delivery of the order. */
  router.operation('changePermissions', ({ params, body: { roles, permissions, reason }, ...call }) => {
    const change = {
      userId: readUserId(params.user_id),
      ...(roles === undefined ? {} : { roles }),
      ...(permissions === undefined ? {} : { permissions }),
      ...(reason === undefined ? {} : { reason }),
    };
    return permissionChanges.change(change, actorOf(call));
  });

  async function banOf(userId: string): Promise<{ until: string | null; reason: string } | null> {
    try {
      const ban = await store.ban(userId, clock.now());
      return ban && { until: ban.until === 0 ? null : new Date(ban.until).toISOString(), reason: ban.reason };
    } catch (error) {
      report(error, 'rest.ban');
      throw new AppError('UNAVAILABLE', 'The registry does not answer; try again.', { cause: error });
    }
  }

  /** A future time would refuse tokens that are not issued yet, including that of the user's next login. */
  function readBefore(text: string): number {
    const before = parseTime(text);
    if (before === null) throw invalid('The body is not valid.', '/before', 'must be an RFC 3339 time with a zone');
    if (before > clock.now() + CLOCK_TOLERANCE_S * 1000) {
      throw invalid('The body is not valid.', '/before', 'must not be in the future');
    }
    return before;
  }
}
