import { EVENT_ID_PATTERN, type PublishRequest, SERVER_EVENT_ID_PATTERN } from '@unified-ws/protocol';
import { requireObject } from '../request/bodyReader.js';
import { authorOf, viewerOf } from '../request/caller.js';
import { idempotencyKey } from '../request/idempotencyKey.js';
import type { RestParts } from '../request/restParts.js';
import { invalid } from '../request/restProblem.js';
import type { Router } from '../request/router.js';

const EVENT_ID = new RegExp(EVENT_ID_PATTERN);

const SERVER_ID = new RegExp(SERVER_EVENT_ID_PATTERN);

/** Publishing of one event or of many, and what became of events. */
export function eventRoutes(router: Router, { publications, eventRecords, clock }: RestParts): void {
  /**
   * 202: Redis has the events, and they survive the death of every node. An array (of at most 1,000) is accepted as a whole or not
   * at all. The exception is UNAVAILABLE: a repeat with the same ids adds what is missing.
   */
  router.operation(
    'publishEvents',
    async ({ request, response, json }) => {
      const events = withKeys(json, idempotencyKey(request));
      const receipts = await publications.publish(events as PublishRequest | PublishRequest[], authorOf({ response }));
      const accepted_at = new Date(clock.now()).toISOString();
      const [first] = receipts;
      if (!first) throw new Error('a publish gave no receipt');
      if (Array.isArray(events)) {
        const duplicates = receipts.filter(({ duplicate }) => duplicate).map(({ eventId }) => eventId);
        const payload_differs = receipts.filter(({ payloadDiffers }) => payloadDiffers).map(({ eventId }) => eventId);
        return { event_ids: receipts.map(({ eventId }) => eventId), accepted_at, duplicates, payload_differs };
      }
      const { eventId, duplicate, payloadDiffers, queue } = first;
      return { event_id: eventId, accepted_at, duplicate, payload_differs: payloadDiffers, queue };
    },
    { bodyIsReadBy: 'Preparer, which says of each event what is wrong with it' },
  );

  router.operation('listEvents', ({ query, ...call }) => eventRecords.list(query, viewerOf(call)));

  /** 200 for every id. An id that is unknown or forgotten has the state `unknown`. */
  router.operation('getEventStatus', ({ params: { event_id: eventId }, ...call }) => {
    if (!SERVER_ID.test(eventId)) {
      throw invalid('The event id is not valid.', '/event_id', `must match ${SERVER_EVENT_ID_PATTERN}`);
    }
    return eventRecords.find(eventId, viewerOf(call));
  });
}

/** `Idempotency-Key: k` means id k. For an array the ids are k_0, k_1, … in its order. */
function withKeys(body: unknown, key: string | undefined): object {
  if (!Array.isArray(body)) return withKey(requireObject(body), key, '');
  if (key === undefined) return body;
  return body.map((event: unknown, index) => {
    // The publisher refuses entries that are not objects, and names their index.
    if (typeof event !== 'object' || event === null || Array.isArray(event)) return event;
    return withKey(event as Record<string, unknown>, `${key}_${index}`, `/${index}`);
  });
}

/** Both may be given if they are equal; otherwise it is unclear which one counts. */
function withKey(event: Record<string, unknown>, key: string | undefined, path: string): Record<string, unknown> {
  if (key === undefined) return event;
  if (!EVENT_ID.test(key)) {
    throw invalid('The header Idempotency-Key is not valid.', `${path}/id`, `the id must match ${EVENT_ID_PATTERN}`);
  }
  if (event.id !== undefined && event.id !== key) {
    const message = 'must be the same as the header';
    throw invalid('The header Idempotency-Key and the id of the event differ.', `${path}/id`, message);
  }
  return { ...event, id: key };
}
