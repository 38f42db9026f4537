import { constants, deflateRawSync } from 'node:zlib';
import type { Clock } from '../../util/clock.js';
import { TokenBucket } from '../../util/tokenBucket.js';

/** Smaller payloads are not worth it, bytes: a frame of an event fits into a packet anyway. */
const MIN_BYTES = 256;
/** Larger ones would hold the event loop up: 64 KiB take 0.3 to 1.5 ms. */
const MAX_BYTES = 64 * 1024;
/**
 * Compressing blocks the event loop: 10 µs for 2.4 kB (asynchronously it is 113 µs of CPU). So many bytes a millisecond are about a
 * quarter of it, and a flush may take this much at once; what is beyond goes out as it is, which is allowed for any message.
 */
const BYTES_PER_MS = 60 * 1024;
const BURST_BYTES = 1024 * 1024;

/**
 * Level 3 with a small memory: 476 of 2,423 bytes, where level 6 makes 458 and takes a third longer. The peer's window is at least as
 * large (`connections/upgrade/deflateOffer.ts`).
 */
export const WINDOW_BITS = 13;
const OPTIONS = { level: 3, windowBits: WINDOW_BITS, memLevel: 5, finishFlush: constants.Z_SYNC_FLUSH };
/** What a sync flush ends with; RFC 7692 §7.2.1 has it cut off. */
const TAIL_BYTES = 4;
/** FIN, RSV1 (compressed) and text. */
const COMPRESSED_TEXT = 0xc1;

/**
 * permessage-deflate (RFC 7692) for events: each is compressed once and shared by all who get the same bytes, which needs
 * `server_no_context_takeover`. ws's own compressor is never used: it would keep a context per socket.
 */
export class Compression {
  readonly counts = {
    /** Payloads, and their bytes before and after. */
    frames: 0,
    bytesIn: 0,
    bytesOut: 0,
    /** Payloads that went out as they were because the event loop had no time for them. */
    skipped: 0,
  };
  private readonly clock: Pick<Clock, 'mono'>;
  private readonly budget = new TokenBucket(BYTES_PER_MS, BURST_BYTES);

  constructor(clock: Pick<Clock, 'mono'>) {
    this.clock = clock;
  }

  /**
   * The compressed form of a frame, or the frame itself when that is not worth it.
   *
   * @param frame as `textFrame` makes it.
   */
  frame(frame: Buffer): Buffer {
    const payload = frame.subarray(headerLength(frame));
    if (payload.length < MIN_BYTES || payload.length > MAX_BYTES) return frame;
    if (!this.budget.take(this.clock.mono(), payload.length)) {
      this.counts.skipped += 1;
      return frame;
    }
    const flushed = deflateRawSync(payload, OPTIONS);
    const deflated = flushed.subarray(0, flushed.length - TAIL_BYTES);
    this.counts.frames += 1;
    this.counts.bytesIn += payload.length;
    if (deflated.length >= payload.length) {
      this.counts.bytesOut += payload.length;
      return frame;
    }
    this.counts.bytesOut += deflated.length;
    const header = deflated.length < 126 ? 2 : 4;
    const made = Buffer.allocUnsafe(header + deflated.length);
    made[0] = COMPRESSED_TEXT;
    if (header === 2) {
      made[1] = deflated.length;
    } else {
      made[1] = 126;
      made.writeUInt16BE(deflated.length, 2);
    }
    deflated.copy(made, header);
    return made;
  }
}

function headerLength(frame: Buffer): number {
  const short = frame[1] ?? 0;
  return short < 126 ? 2 : short === 126 ? 4 : 10;
}
