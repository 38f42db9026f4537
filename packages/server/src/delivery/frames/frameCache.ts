import type { StoredEvent } from '../../events/event/storedEvent.js';
import type { Compression } from './compression.js';
import type { FrameShape } from './eventFrame.js';

/** Something whose frames are built once per set of hidden fields, whoever they are for. */
export interface Framed {
  frames?: Map<string, Buffer>;
}

/** Names of fields do not hold it, so no set of them is the key of a compressed frame, or of one in another shape. */
const COMPRESSED = '\0';

/**
 * The frame for those who may not see `hidden`.
 *
 * @param compression null: for those who take no compressed messages.
 */
export function cachedFrame(of: Framed, hidden: string, compression: Compression | null, build: () => Buffer): Buffer {
  const key = compression === null ? hidden : `${hidden}${COMPRESSED}`;
  const known = of.frames?.get(key);
  if (known) return known;
  const frame = compression === null ? build() : compression.frame(cachedFrame(of, hidden, null, build));
  of.frames ??= new Map();
  of.frames.set(key, frame);
  return frame;
}

/** As `cachedFrame`, in another shape. It is never compressed. */
export function cachedShapeFrame(
  of: Framed & { readonly event: StoredEvent },
  hidden: string,
  shape: FrameShape,
): Buffer {
  return cachedFrame(of, `\0${shape.name}\0${hidden}`, null, () => shape.eventFrame(of.event, hidden));
}
