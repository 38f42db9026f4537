const LENGTH_16 = 126;
const LENGTH_64 = 127;

/**
 * Counts the frames of a server in the raw bytes of a socket, by their headers alone; payloads are not read. `onFrame` gets the opcode,
 * and the place of the payload if this chunk contains all of it.
 */
export class FrameCounter {
  private readonly header = new Uint8Array(10);
  private have = 0;
  private skip = 0;
  private opcode = 0;

  push(chunk: Uint8Array, onFrame: (opcode: number, payload: Uint8Array | null) => void): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.skip > 0) {
        const taken = Math.min(this.skip, chunk.length - at);
        this.skip -= taken;
        at += taken;
        if (this.skip === 0) onFrame(this.opcode, null);
        continue;
      }
      this.header[this.have] = chunk[at] as number;
      this.have += 1;
      at += 1;
      const length = this.payloadLength();
      if (length === null) continue;
      this.opcode = (this.header[0] as number) & 0x0f;
      this.have = 0;
      if (length <= chunk.length - at) {
        onFrame(this.opcode, chunk.subarray(at, at + length));
        at += length;
      } else {
        this.skip = length;
      }
    }
  }

  /** Null while the header is not complete. */
  private payloadLength(): number | null {
    if (this.have < 2) return null;
    const short = (this.header[1] as number) & 0x7f;
    const needed = short === LENGTH_16 ? 4 : short === LENGTH_64 ? 10 : 2;
    if (this.have < needed) return null;
    if (needed === 2) return short;
    const view = new DataView(this.header.buffer);
    return needed === 4 ? view.getUint16(2) : Number(view.getBigUint64(2));
  }
}
