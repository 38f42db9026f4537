import type { Compression } from './compression.js';

/** Something whose frames are built once per set of hidden fields, whoever they are for. */
export interface Framed {
  frames?: Map<string, Buffer>;
}

/** Names of fields do not hold it, so no set of them is the key of a compressed frame, or of one in the legacy shape. */
const COMPRESSED = '\0';
const LEGACY = '\0legacy\0';

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

/** As `cachedFrame`, in the legacy shape, which is never compressed: no old client asks for it. */
export function cachedLegacyFrame(of: Framed, hidden: string, build: () => Buffer): Buffer {
  return cachedFrame(of, `${LEGACY}${hidden}`, null, build);
}
