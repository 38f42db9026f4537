import type { Socket } from 'node:net';

/**
 * More than this in the socket, bytes: the kernel's own buffers are full (about 4 MB on the way), and the peer takes less than it
 * is sent. Bounds what a slow one costs, with the last flush.
 */
const CONGESTED_BYTES = 64 * 1024;

/**
 * The only writer of data frames to a connection, or frames overtake each other. Writes whole frames to the
 * raw socket, without a callback per write; `ws` itself only writes control frames.
 */
export class Writer {
  private readonly socket: Socket;
  private readonly maxWaiting: number;
  private open = true;
  /** Bytes of replies written since the socket became congested. */
  private waiting = 0;

  /** @param maxWaiting MAX_BUFFERED_BYTES: of replies. Events are held back while the socket is congested. */
  constructor(socket: Socket, maxWaiting: number) {
    this.socket = socket;
    this.maxWaiting = maxWaiting;
  }

  /** Bytes that the kernel has not taken yet. */
  get buffered(): number {
    return this.socket.writableLength;
  }

  /** The peer takes less than it is sent: `drain` of the socket follows. */
  get congested(): boolean {
    return this.socket.writableLength > CONGESTED_BYTES;
  }

  /** Whole frames of events. Who writes them asks `congested` before. Nothing is written after `end`. */
  write(frames: Buffer): void {
    if (this.open) this.socket.write(frames);
  }

  /** As `write`, for what the peer asked for. False when too much of it waits for a peer that does not read. */
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
