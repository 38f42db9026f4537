import type { Socket } from 'node:net';

/**
 * With more bytes than this in the socket, the kernel's own buffers are full (about 4 MB on the way), and the peer reads more slowly than
 * the node sends. Together with the last flush it limits what a slow peer costs.
 */
const CONGESTED_BYTES = 64 * 1024;

/**
 * The only writer of data frames to a connection; with several, frames could overtake each other. Writes whole frames to the raw
 * socket, without a callback per write. `ws` itself writes only control frames.
 */
export class Writer {
  private readonly socket: Socket;
  private readonly maxWaiting: number;
  private open = true;
  /** Bytes of replies written since the socket became congested. */
  private waiting = 0;

  /** @param maxWaiting MAX_BUFFERED_BYTES, for replies. Events are held back while the socket is congested. */
  constructor(socket: Socket, maxWaiting: number) {
    this.socket = socket;
    this.maxWaiting = maxWaiting;
  }

  /** Bytes that the kernel has not accepted yet. */
  get buffered(): number {
    return this.socket.writableLength;
  }

  /** The peer reads more slowly than the node sends: the socket will emit `drain`. */
  get congested(): boolean {
    return this.socket.writableLength > CONGESTED_BYTES;
  }

  /** Writes whole frames of events. The caller checks `congested` first. Nothing is written after `end`. */
  write(frames: Buffer): void {
    if (this.open) this.socket.write(frames);
  }

  /** As `write`, for replies. False when too many bytes wait for a peer that does not read. */
  reply(frame: Buffer): boolean {
    if (!this.open) return true;
    this.waiting = this.congested ? this.waiting + frame.length : 0;
    this.socket.write(frame);
    return this.waiting <= this.maxWaiting;
  }

  end(): void {
    this.open = false;
  }
}
