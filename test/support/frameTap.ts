const CLOSE_OPCODE = 8;
const LENGTH_16 = 126;
const LENGTH_64 = 127;

/**
 * Follows the frames of a server in the raw bytes of a socket, also after a close frame. There the WebSocket library stops reading, so
 * anything after the close, which must never come, would not be seen.
 */
export class FrameTap {
  /** Frames that began after a close frame. */
  afterClose = 0;
  private closed = false;
  private header = Buffer.alloc(0);
  private skip = 0;

  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.skip > 0) {
        const taken = Math.min(this.skip, chunk.length - at);
        this.skip -= taken;
        at += taken;
        continue;
      }
      // One byte at a time: a header may be split anywhere, and has at most ten bytes.
      this.header = Buffer.concat([this.header, chunk.subarray(at, at + 1)]);
      at += 1;
      this.readHeader();
    }
  }

  private readHeader(): void {
    const { header } = this;
    const [first, second] = header;
    if (first === undefined || second === undefined) return;
    const short = second & 0x7f;
    const needed = short === LENGTH_16 ? 4 : short === LENGTH_64 ? 10 : 2;
    if (header.length < needed) return;
    this.skip =
      short === LENGTH_16 ? header.readUInt16BE(2) : short === LENGTH_64 ? Number(header.readBigUInt64BE(2)) : short;
    this.header = Buffer.alloc(0);
    if (this.closed) this.afterClose += 1;
    if ((first & 0x0f) === CLOSE_OPCODE) this.closed = true;
  }
}
