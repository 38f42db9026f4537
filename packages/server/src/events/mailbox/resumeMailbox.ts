import type { Position, ResumeResult } from '@unified-ws/protocol';
import type { ClaimedMailbox, MailboxHead, MailboxState } from '../../registry/store/registryTypes.js';

export interface MailboxResume {
  readonly result: ResumeResult;
  /** Where replay starts: the entry before the first one to deliver. Null when there is no mailbox. */
  readonly from: MailboxHead | null;
}

/**
 * What becomes of the position that a client gave (L1, L8). A position counts only if the entry there carries its tag: a log
 * that went back gives its offsets away again. Whatever comes of it, what is not acknowledged is delivered.
 */
export function resumeMailbox(given: Position | null, box: ClaimedMailbox | null): MailboxResume {
  if (box === null) return { result: given === null ? 'fresh' : 'none', from: null };
  const acked = { epoch: box.epoch, offset: box.acked, tag: box.ackedTag };
  if (given === null) return { result: 'fresh', from: acked };
  if (given.epoch !== box.epoch || given.offset > box.offset) return { result: 'none', from: acked };
  if (given.offset < box.acked) return { result: 'partial', from: acked };
  const tag = tagAt(given.offset, box);
  if (tag !== null && tag !== given.tag) return { result: 'none', from: acked };
  const gone = tag === null || (box.first > given.offset + 1 && box.offset > given.offset);
  return { result: gone ? 'partial' : 'full', from: given };
}

/** The tag of the entry at an offset, as far as the state knows it; null: unknown by now. */
export function tagAt(offset: number, box: MailboxState & { readonly resumeTag?: string | null }): string | null {
  if (offset === 0) return '';
  if (offset === box.offset) return box.tag;
  if (offset === box.acked) return box.ackedTag;
  if (offset === box.first - 1) return box.floorTag;
  return box.resumeTag ?? null;
}
