import { actorOf, viewerOf } from '../request/caller.js';
import type { RestParts } from '../request/restParts.js';
import { RestProblem } from '../request/restProblem.js';
import type { Router } from '../request/router.js';

/** The event queue, for admins. */
export function queueRoutes(router: Router, { queueAdmin }: RestParts): void {
  router.operation('getQueue', (call) => queueAdmin.read(undefined, viewerOf(call)));
  router.operation('clearQueue', ({ query, ...call }) => queueAdmin.clear(query, actorOf(call)));
  router.operation('listJobs', ({ query, ...call }) => queueAdmin.page(query, viewerOf(call)));
  router.operation('getJob', async ({ params, ...call }) => found(await queueAdmin.job(params.id, viewerOf(call))));
  router.operation('deleteJob', async ({ params: { id }, query: { reason }, ...call }) => {
    found(await queueAdmin.remove(id, reason, actorOf(call)));
    return { id, result: 'deleted' as const };
  });
  router.operation('retryJob', async ({ params: { id }, body: { reason }, ...call }) => {
    found(await queueAdmin.retry(id, reason, actorOf(call)));
    return { id, result: 'retried' as const };
  });
  router.operation('retryFailedJobs', ({ body, ...call }) => queueAdmin.retryFailed(body, actorOf(call)));
  router.operation('pauseQueue', ({ body: { reason }, ...call }) => queueAdmin.pause(reason, actorOf(call)));
  router.operation('resumeQueue', ({ body: { reason }, ...call }) => queueAdmin.resume(reason, actorOf(call)));
}

function found<T>(answer: T | null): T {
  if (answer === null) throw new RestProblem(404, 'NOT_FOUND', 'This job does not exist.');
  return answer;
}
