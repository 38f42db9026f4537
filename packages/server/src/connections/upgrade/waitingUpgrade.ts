import type { Socket } from 'node:net';

/** A client sends nothing before the upgrade is answered. If more than this comes, the socket is ended, bytes. */
const MAX_EARLY_BYTES = 64 * 1024;

/** The socket of an upgrade that waits for its turn. It is read, because otherwise nobody would notice that its peer has gone. */
export class WaitingUpgrade {
  private readonly socket: Socket;
  private readonly early: Buffer[];
  private bytes: number;
  private gone = false;

  /** @param head what came with the request already. */
  constructor(socket: Socket, head: Buffer) {
    this.socket = socket;
    this.early = [head];
    this.bytes = head.length;
    socket.on('data', this.onData);
    socket.on('end', this.onGone);
    socket.on('close', this.onGone);
  }

  /** Its turn has come. @returns what the peer has sent; null: the peer has gone. */
  end(): Buffer | null {
    const { socket } = this;
    socket.off('data', this.onData);
    socket.off('end', this.onGone);
    socket.off('close', this.onGone);
    return this.gone ? null : Buffer.concat(this.early);
  }

  private readonly onData = (chunk: Buffer): void => {
    this.early.push(chunk);
    this.bytes += chunk.length;
    if (this.bytes > MAX_EARLY_BYTES) this.onGone();
  };

  private readonly onGone = (): void => {
    this.gone = true;
    this.socket.destroy();
  };
}
