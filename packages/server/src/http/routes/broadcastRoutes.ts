import { EVENT_ID_PATTERN, type PublishRequest } from '@unified-ws/protocol';
import { requireObject } from '../request/bodyReader.js';
import { authorOf } from '../request/caller.js';
import { idempotencyKey } from '../request/idempotencyKey.js';
import type { RestParts } from '../request/restParts.js';
import { invalid } from '../request/restProblem.js';
import type { Router } from '../request/router.js';

const EVENT_ID = new RegExp(EVENT_ID_PATTERN);

/** Publishing of one event. */
export function broadcastRoutes(router: Router, { publications, clock }: RestParts): void {
  /** 202: Redis has the event, and it survives the death of every node. Its recipients are not known yet. */
  router.operation(
    'broadcastEvent',
    async ({ request, response, json }) => {
      const body = withKey(requireObject(json), idempotencyKey(request));
      const event = body as unknown as PublishRequest;
      const [receipt] = await publications.publish(event, authorOf({ response }));
      if (!receipt) throw new Error('a publish of one event gave no receipt');
      return {
        event_id: receipt.eventId,
        accepted_at: new Date(clock.now()).toISOString(),
        duplicate: receipt.duplicate,
        payload_differs: receipt.payloadDiffers,
        queue: receipt.queue,
      };
    },
    { bodyIsReadBy: 'Preparer, which says what is wrong with the event' },
  );
}

/** `Idempotency-Key: k` means id k. Both may be given if they are equal; otherwise it is unclear which one counts. */
function withKey(body: Record<string, unknown>, key: string | undefined): Record<string, unknown> {
  if (key === undefined) return body;
  if (!EVENT_ID.test(key)) {
    throw invalid('The header Idempotency-Key is not valid.', '/id', `the header must match ${EVENT_ID_PATTERN}`);
  }
  if (body.id !== undefined && body.id !== key) {
    throw invalid(
      'The header Idempotency-Key and the id of the event differ.',
      '/id',
      'must be the same as the header',
    );
  }
  return { ...body, id: key };
}
