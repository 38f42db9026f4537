import { setImmediate as turn } from 'node:timers/promises';
import type { Environment, SocketLike, WebSocketLike } from '@unified-ws/client/core';

interface Timer {
  readonly due: number;
  readonly callback: () => void;
}

/** The peer's end of a WebSocket: says what a server would say. */
export class Peer implements SocketLike {
  onmessage: unknown = null;
  onclose: unknown = null;
  onerror: unknown = null;
  readonly url: string;
  readonly protocols: readonly string[];
  /** When it was opened. */
  readonly at: number;
  /** What the client sent, parsed. */
  readonly received: { readonly type: string; readonly data?: Record<string, unknown>; readonly id?: string }[] = [];
  isClosed = false;

  constructor(url: string, protocols: readonly string[], at: number) {
    this.url = url;
    this.protocols = protocols;
    this.at = at;
  }

  /** The client's side. */
  send(text: string): void {
    this.received.push(JSON.parse(text));
  }

  close(): void {
    this.isClosed = true;
  }

  say(frame: unknown): void {
    const data = typeof frame === 'string' ? frame : JSON.stringify(frame);
    (this.onmessage as (event: { data: string }) => void)({ data });
  }

  establish(data: object = {}): void {
    const positions = { broadcast: null, user: null };
    this.say({
      type: 'connection_established',
      data: { subscriptions: [], resume: { broadcast: 'fresh', user: 'fresh' }, positions, ...data },
    });
  }

  end(code: number, reason = ''): void {
    this.isClosed = true;
    (this.onclose as (event: { code: number; reason: string }) => void)({ code, reason });
  }
}

/** Surroundings whose time passes when the test says so. */
export class VirtualEnvironment implements Environment {
  readonly peers: Peer[] = [];
  hidden = false;
  /** Called with each new connection, once the client listens to it. */
  onPeer: (peer: Peer) => void = () => undefined;
  randomValue: () => number = Math.random;
  private time = 1_000_000;
  private readonly timers = new Set<Timer>();
  private readonly wakeListeners = new Set<() => void>();

  now(): number {
    return this.time;
  }

  wallNow(): number {
    return this.time;
  }

  readonly random = (): number => this.randomValue();

  readonly setTimer = (ms: number, callback: () => void): (() => void) => {
    const timer = { due: this.time + ms, callback };
    this.timers.add(timer);
    return () => this.timers.delete(timer);
  };

  webSocket(): WebSocketLike {
    const open = (url: string, protocols: string[]): Peer => {
      const peer = new Peer(url, protocols, this.time);
      this.peers.push(peer);
      queueMicrotask(() => this.onPeer(peer));
      return peer;
    };
    return class {
      constructor(url: string, protocols: string[]) {
        // biome-ignore lint/correctness/noConstructorReturn: the peer is the socket.
        return open(url, protocols);
      }
    } as unknown as WebSocketLike;
  }

  isHidden(): boolean {
    return this.hidden;
  }

  onWake(listener: () => void): () => void {
    this.wakeListeners.add(listener);
    return () => this.wakeListeners.delete(listener);
  }

  wake(): void {
    for (const listener of this.wakeListeners) listener();
  }

  log(): void {
    return;
  }

  /** Timers that are set. */
  get pending(): number {
    return this.timers.size;
  }

  /** Lets time pass: each timer that becomes due is called, and what follows from it happens before the next one. */
  async pass(ms: number): Promise<void> {
    const end = this.time + ms;
    await turn();
    for (;;) {
      const [first] = [...this.timers].filter(({ due }) => due <= end).sort((a, b) => a.due - b.due);
      if (!first) break;
      this.timers.delete(first);
      this.time = Math.max(this.time, first.due);
      first.callback();
      await turn();
    }
    this.time = end;
  }
}
