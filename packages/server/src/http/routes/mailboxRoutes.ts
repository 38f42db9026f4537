import { formatPosition, type MailboxReport } from '@unified-ws/protocol';
import { payloadFor, type Viewer } from '../../admin/events/payloadFor.js';
import type { EventCatalogue } from '../../events/catalogue/eventCatalogue.js';
import type { MailboxEntry } from '../../events/mailbox/mailboxes.js';
import { readUserId } from '../request/bodyReader.js';
import { viewerOf } from '../request/caller.js';
import type { RestParts } from '../request/restParts.js';
import type { Router } from '../request/router.js';

/** Maximum entries of one answer; the oldest come first. */
const MAX_ENTRIES = 1000;

/** The content of a user's mailbox. */
export function mailboxRoutes(router: Router, { mailboxes, catalogue, clock }: RestParts): void {
  /** 200 even without a mailbox: it means that nothing waits for the user. */
  router.operation('getMailbox', async ({ params, response }) => {
    const userId = readUserId(params.user_id);
    const viewer = viewerOf({ response });
    const page = await mailboxes.read(userId, 1, MAX_ENTRIES);
    if (page === null) return { user_id: userId, epoch: null, head: null, acked: null, waiting: 0, entries: [] };
    const { epoch, offset, tag, acked, ackedTag, first } = page;
    return {
      user_id: userId,
      epoch,
      head: formatPosition(epoch, offset, tag),
      acked: formatPosition(epoch, acked, ackedTag),
      waiting: offset - first + 1,
      entries: page.entries.map((entry) => ({
        position: formatPosition(epoch, entry.offset, entry.tag),
        appended_at: new Date(entry.at).toISOString(),
        age_ms: Math.max(0, clock.now() - entry.at),
        event: shown(entry, viewer, catalogue()),
      })),
    };
  });
}

/** The event without what the caller may not see: its sensitive fields, or its whole payload. */
function shown(
  { event }: MailboxEntry,
  viewer: Viewer,
  catalogue: EventCatalogue,
): MailboxReport['entries'][number]['event'] {
  const { data: _, metadata, roles, permission, exclude, ...rest } = event;
  const payload = payloadFor(viewer, event, catalogue);
  if (payload === null) return { ...rest, data: null };
  const limits = {
    ...(roles === undefined ? {} : { roles }),
    ...(permission === undefined ? {} : { permission }),
    ...(exclude === undefined ? {} : { exclude }),
  };
  const more = metadata === undefined ? {} : { metadata: payload.metadata };
  return { ...rest, data: payload.data, ...more, ...limits } as ReturnType<typeof shown>;
}
