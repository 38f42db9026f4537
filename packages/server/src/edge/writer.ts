import type { Socket } from 'node:net';

/**
 * The only writer of data frames to a connection, or frames overtake each other (DESIGN §5). Writes whole frames to the
 * raw socket, without a callback per write; `ws` itself only writes control frames.
 */
export class Writer {
  private readonly socket: Socket;
  private readonly maxBuffered: number;
  private open = true;

  /** @param maxBuffered MAX_BUFFERED_BYTES. */
  constructor(socket: Socket, maxBuffered: number) {
    this.socket = socket;
    this.maxBuffered = maxBuffered;
  }

  /** Bytes that the kernel has not taken yet. */
  get buffered(): number {
    return this.socket.writableLength;
  }

  /** False when the peer takes too little: the caller ends the connection. Nothing is written after `end`. */
  write(frames: Buffer): boolean {
    if (!this.open) return true;
    // What waited before: the kernel takes a large flush in parts, and a healthy peer must not be ended by its size alone.
    const waiting = this.socket.writableLength;
    this.socket.write(frames);
    return waiting <= this.maxBuffered;
  }

  end(): void {
    this.open = false;
  }
}
