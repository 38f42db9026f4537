import { Socket } from 'node:net';

/** Runs `work` and returns the buffers that this process wrote meanwhile to each socket whose peer has one of the ports. */
export async function writesTo(peerPorts: readonly number[], work: () => Promise<unknown>): Promise<Buffer[][]> {
  const written = new Map(peerPorts.map((port): [number, Buffer[]] => [port, []]));
  const { write } = Socket.prototype;
  const watched = function (this: Socket, ...args: Parameters<typeof write>): boolean {
    if (Buffer.isBuffer(args[0])) written.get(this.remotePort ?? 0)?.push(args[0]);
    return write.apply(this, args);
  };
  Socket.prototype.write = watched as typeof write;
  try {
    await work();
  } finally {
    Socket.prototype.write = write;
  }
  return [...written.values()];
}
