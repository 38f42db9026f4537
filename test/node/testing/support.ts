import { readFileSync } from 'node:fs';
import { createTestServer, type TestEvent, type TestServer } from '@unified-ws/client/testing';
import { WS_PATH } from '@unified-ws/protocol';
import { WebSocket } from 'ws';
import type { TestClient } from '../../support/client.js';
import { asyncApiContract } from '../../support/contract.js';
import { token } from '../../support/tokens.js';
import { until } from '../../support/wait.js';
import { World } from '../support/world.js';

const ROOT = new URL('../../../../../', import.meta.url);
const read = (path: string): unknown => JSON.parse(readFileSync(new URL(path, ROOT), 'utf8'));
const contract = asyncApiContract(read('docs/asyncapi.json'));

interface Catalogue {
  readonly event_types: Readonly<Record<string, object>>;
  readonly roles: { readonly user: { readonly default_subscriptions: readonly string[] } };
}
const catalogue = read('packages/protocol/catalogue.json') as Catalogue;

/** The part of WebSocket that all of them have. */
interface AnySocket {
  readonly readyState: number;
  readonly protocol: string;
  send(text: string): void;
  close(code?: number, reason?: string): void;
  onopen: unknown;
  onmessage: unknown;
  onerror: unknown;
  onclose: unknown;
}
export type AnyWebSocket = new (url: string, protocols: string[]) => AnySocket;

export interface TokenChoices {
  readonly lifetimeS?: number;
  readonly permissions?: readonly string[];
}

/** A server of the behavioural suite: the one in memory, or a node. */
export interface Target {
  readonly name: string;
  readonly url: string;
  readonly WebSocket: AnyWebSocket;
  start(): Promise<void>;
  stop(): Promise<void>;
  token(userId: string, choices?: TokenChoices): string;
  /** Resolves with the id of the event, as clients see it. */
  publish(event: TestEvent): Promise<string>;
}

export class MemoryTarget implements Target {
  readonly name = 'the server in memory';
  server: TestServer = this.make();

  private make(): TestServer {
    const { event_types: eventTypes, roles } = catalogue;
    return createTestServer({ eventTypes, defaultSubscriptions: roles.user.default_subscriptions });
  }

  get url(): string {
    return this.server.url;
  }

  get WebSocket(): AnyWebSocket {
    return this.server.WebSocket;
  }

  async start(): Promise<void> {
    this.server = this.make();
  }

  async stop(): Promise<void> {
    this.server.stop();
  }

  token(userId: string, { lifetimeS = 3600, permissions = [] }: TokenChoices = {}): string {
    return this.server.token(userId, { lifetimeS, permissions: ['events:receive', ...permissions] });
  }

  async publish(event: TestEvent): Promise<string> {
    return this.server.publish(event);
  }
}

export class NodeTarget implements Target {
  readonly name = 'a node';
  readonly WebSocket: AnyWebSocket = WebSocket;
  private readonly world = new World();
  private ws = '';
  private service: TestClient | null = null;

  get url(): string {
    return `${this.ws}${WS_PATH}`;
  }

  async start(): Promise<void> {
    await this.world.start();
    const node = await this.world.node();
    this.ws = node.ws;
    this.service = await this.world.connect(node, 'service-1', ['service']);
  }

  async stop(): Promise<void> {
    await this.world.stop();
  }

  token(userId: string, { lifetimeS = 3600, permissions = [] }: TokenChoices = {}): string {
    return token(userId, { lifetimeS, claims: { permissions } });
  }

  async publish(event: TestEvent): Promise<string> {
    if (!this.service) throw new Error('the node has not started');
    return (await this.service.ask('publish_event', event, 'event_accepted')).event_id;
  }
}

export interface Frame {
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly id?: string;
  readonly reply_to?: string;
  readonly scope?: string;
  readonly position?: string;
}

/** A socket of a target. Each of its frames is held against docs/asyncapi.json. */
export class Dialled {
  readonly frames: Frame[] = [];
  readonly faults: string[] = [];
  ending: { readonly code: number; readonly reason: string } | null = null;
  readonly socket: AnySocket;
  private requests = 0;

  constructor(target: Pick<Target, 'url' | 'WebSocket'>, protocols: string[], query = '') {
    this.socket = new target.WebSocket(`${target.url}${query}`, protocols);
    this.socket.onmessage = ({ data }: { data: unknown }) => {
      const frame = JSON.parse(String(data)) as Frame;
      this.frames.push(frame);
      this.faults.push(...contract.receivedFaults(frame).map((fault) => `${frame.type}: ${fault}`));
    };
    this.socket.onclose = ({ code, reason }: { code: number; reason: string }) => {
      this.ending = { code, reason: String(reason) };
    };
    this.socket.onerror = () => undefined;
  }

  get established(): Readonly<Record<string, unknown>> {
    return this.frames.find(({ type }) => type === 'connection_established')?.data ?? {};
  }

  get events(): Frame[] {
    return this.frames.filter(({ scope }) => scope !== undefined);
  }

  get ids(): (string | undefined)[] {
    return this.events.map(({ id }) => id);
  }

  send(type: string, data?: object, id?: string): void {
    this.socket.send(JSON.stringify({ type, ...(data ? { data } : {}), ...(id === undefined ? {} : { id }) }));
  }

  /** The reply to a request, an error too. */
  async request(type: string, data?: object): Promise<Frame> {
    this.requests += 1;
    const id = `q${this.requests}`;
    this.send(type, data, id);
    return this.frame(`a reply to ${type}`, ({ reply_to }) => reply_to === id);
  }

  frame(what: string, fits: (frame: Frame) => boolean): Promise<Frame> {
    return until(() => this.frames.find(fits), { what: () => `${what}; came: ${JSON.stringify(this.frames)}` });
  }

  async opened(): Promise<this> {
    await this.frame('connection_established', ({ type }) => type === 'connection_established');
    return this;
  }

  closed(): Promise<{ readonly code: number; readonly reason: string }> {
    return until(() => this.ending, { what: 'the socket is closed' });
  }
}
