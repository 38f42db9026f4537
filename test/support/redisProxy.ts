import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** `up`: from nodes to Redis. `down`: answers and messages from Redis. */
export type Direction = 'up' | 'down';

/** One connection between a node and Redis. Held bytes arrive late, as in a slow network; they are never reordered. */
export class ProxyLink {
  /** Whether it has subscribed to channels. */
  subscriber = false;
  private readonly client: Socket;
  private readonly server: Socket;
  private readonly held: Record<Direction, Buffer[] | null> = { up: null, down: null };
  /** The node's side has closed. The server's side stays open for held bytes. */
  private cutOff = false;

  constructor(client: Socket, server: Socket) {
    this.client = client;
    this.server = server;
    client.on('data', (chunk: Buffer) => {
      if (!this.subscriber && /\r\nsubscribe\r\n/i.test(chunk.toString('latin1'))) this.subscriber = true;
      this.forward('up', chunk);
    });
    server.on('data', (chunk: Buffer) => this.forward('down', chunk));
    for (const socket of [client, server]) socket.on('error', () => socket.destroy());
    client.on('close', () => {
      if (!this.cutOff) server.destroy();
    });
    server.on('close', () => client.destroy());
  }

  get isOpen(): boolean {
    return !this.client.destroyed;
  }

  /** Holds everything in that direction until `release`. */
  hold(direction: Direction): void {
    this.held[direction] ??= [];
  }

  release(): void {
    for (const direction of ['up', 'down'] as const) {
      const chunks = this.held[direction] ?? [];
      this.held[direction] = null;
      for (const chunk of chunks) this.forward(direction, chunk);
    }
  }

  /** Closes only the node's side: bytes held on the way to Redis can still arrive. */
  cut(): void {
    this.cutOff = true;
    this.client.destroy();
  }

  destroy(): void {
    this.client.destroy();
    this.server.destroy();
  }

  /** Passes the next `bytes` bytes from the server, then closes the client's side. */
  cutAfter(bytes: number): void {
    let left = bytes;
    this.server.removeAllListeners('data');
    this.server.on('data', (chunk: Buffer) => {
      if (this.cutOff) return;
      const passed = chunk.subarray(0, left);
      left -= passed.length;
      this.client.write(passed, () => {
        if (left === 0) this.cut();
      });
    });
  }

  private forward(direction: Direction, chunk: Buffer): void {
    const held = this.held[direction];
    if (held) held.push(chunk);
    else if (direction === 'up') this.server.write(chunk);
    else if (!this.cutOff) this.client.write(chunk);
  }
}

/** Sits between nodes and Redis, and delays or cuts single connections, which no signal to a process can do. */
export class RedisProxy {
  readonly links = new Set<ProxyLink>();
  /** Called for each connection before its first byte. */
  onLink: (link: ProxyLink) => void = () => undefined;
  private readonly server: Server;

  private constructor(server: Server) {
    this.server = server;
  }

  static async start(redisPort: number): Promise<RedisProxy> {
    const server = createServer({ noDelay: true });
    const proxy = new RedisProxy(server);
    server.on('connection', (client: Socket) => {
      const link = new ProxyLink(client, connect({ port: redisPort, host: '127.0.0.1', noDelay: true }));
      proxy.links.add(link);
      client.on('close', () => proxy.links.delete(link));
      proxy.onLink(link);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return proxy;
  }

  get url(): string {
    return `redis://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** The connection on which nodes hear the bus. */
  get subscriber(): ProxyLink {
    const link = [...this.links].find((one) => one.subscriber && one.isOpen);
    if (!link) throw new Error('nobody has subscribed');
    return link;
  }

  /** All connections except the subscriber's. */
  get commands(): ProxyLink[] {
    return [...this.links].filter((one) => !one.subscriber);
  }

  /** Nothing passes in either direction any more, on these and on new connections. */
  partition(): void {
    this.onLink = (link) => {
      link.hold('up');
      link.hold('down');
    };
    for (const link of this.links) this.onLink(link);
  }

  /** Held bytes arrive, late. */
  heal(): void {
    this.onLink = () => undefined;
    for (const link of this.links) link.release();
  }

  async stop(): Promise<void> {
    for (const link of this.links) link.destroy();
    this.server.close();
    await once(this.server, 'close');
  }
}
