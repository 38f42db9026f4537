import { formatPosition } from '@unified-ws/protocol';
import type { LogHead } from '../../events/log/broadcastLog.js';

/** A place in the log of the epoch that this node follows. */
export type LogPosition = Pick<LogHead, 'offset' | 'tag'>;

/** A position on the wire; null when its entry is gone, and its tag with it. */
export function formatLogPosition(epoch: string, { offset, tag }: LogPosition): string | null {
  return epoch === '' || (offset > 0 && tag === '') ? null : formatPosition(epoch, offset, tag);
}
