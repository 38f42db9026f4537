import { formatClient, formatResume, reconnectPolicy } from '@unified-ws/protocol';
import { type Received, TestClient } from '../../support/client.js';
import type { NodeProcess } from '../../support/cluster.js';
import { token } from '../../support/tokens.js';
import { Inbox, SCOPES, type Scope } from './inbox.js';
import type { Random } from './random.js';

/** Full jitter: 0 to this before the first attempt, then doubled up to the cap; milliseconds. */
const BACKOFF_FIRST_MS = 500;
const BACKOFF_CAP_MS = 2000;
/** A node that hangs answers no upgrade: another one is tried after this. */
const ESTABLISH_PATIENCE_MS = 5000;
/** User events are acknowledged, cumulatively, after so many or after this time. */
const ACK_EVERY = 20;
const ACK_AFTER_MS = 500;

export interface SdkClientOptions {
  readonly userId: string;
  readonly random: Random;
  readonly nodes: readonly NodeProcess[];
  /** Default: `user` alone. */
  readonly roles?: readonly string[];
  /** Some of the broadcasts are for others. */
  readonly filtered?: boolean;
  /** Each event that is handed to the application, once. */
  readonly onEvent?: (frame: Received, client: SdkClient) => void;
}

/** A client that does over its connections what the SDK does: positions, resume, de-duplication, acknowledgements, backoff. */
export class SdkClient {
  readonly userId: string;
  readonly inbox: Inbox;
  /** Connections that were established. */
  connects = 0;
  /** Monotonic ms of the last connection_established. */
  connectedAt = 0;
  /** And of the first. */
  connectedFirstAt = 0;
  /** Results by `<scope> <result>`. */
  readonly resumes = new Map<string, number>();
  /** How its connections ended, by close code. */
  readonly endings = new Map<number, number>();
  private readonly options: SdkClientOptions;
  private readonly token: string;
  private readonly instance: string;
  private attempt = 0;
  private failures = 0;
  private socket: TestClient | null = null;
  private timer: NodeJS.Timeout | null = null;
  private stopped = false;
  private unacknowledged = 0;
  private ackTimer: NodeJS.Timeout | null = null;

  constructor(options: SdkClientOptions) {
    this.options = options;
    this.userId = options.userId;
    this.inbox = new Inbox(options.filtered);
    this.token = token(options.userId, options.roles ? { roles: options.roles } : {});
    this.instance = options.random.id();
  }

  get isConnected(): boolean {
    return this.socket !== null && this.socket.establishedData !== null && this.socket.ending === null;
  }

  /** Of the present connection; null without one. */
  get nodeId(): string | null {
    return this.socket?.establishedData?.node_id ?? null;
  }

  start(): void {
    this.stopped = false;
    this.dial();
  }

  /** Drops TCP and stays away until `start`. */
  leave(): void {
    this.stopped = true;
    this.clear();
    this.socket?.terminate();
    this.socket = null;
  }

  /** Ends in good order and resolves when it is gone. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.clear();
    const { socket } = this;
    this.socket = null;
    if (socket?.isOpen) await socket.close();
    else socket?.terminate();
  }

  /** Stops, or goes on, reading from its socket. */
  read(on: boolean): void {
    if (on) this.socket?.ws.resume();
    else this.socket?.ws.pause();
  }

  private clear(): void {
    if (this.timer) clearTimeout(this.timer);
    if (this.ackTimer) clearTimeout(this.ackTimer);
    this.timer = null;
    this.ackTimer = null;
  }

  private dial(): void {
    const { random, nodes } = this.options;
    const { broadcast, user } = this.inbox.positions;
    this.attempt += 1;
    const socket: TestClient = new TestClient(random.pick(nodes).ws, {
      token: this.token,
      client: formatClient(this.instance, this.attempt),
      keep: false,
      ...(broadcast === null && user === null ? {} : { resume: formatResume(broadcast, user) }),
      onFrame: (frame) => {
        // It has given the other one up.
        if (socket === this.socket) this.receive(frame, socket);
      },
    });
    this.socket = socket;
    this.timer = setTimeout(() => {
      if (socket.establishedData === null) socket.terminate();
    }, ESTABLISH_PATIENCE_MS);
    void socket.ended.then(({ code }) => {
      if (socket !== this.socket || this.stopped) return;
      this.clear();
      this.socket = null;
      this.endings.set(code, (this.endings.get(code) ?? 0) + 1);
      if (reconnectPolicy(code) === 'backoff') this.dialLater();
      else this.inbox.violations.push(`${this.userId} was ended for good with ${code}`);
    });
  }

  private dialLater(): void {
    const ceiling = Math.min(BACKOFF_CAP_MS, BACKOFF_FIRST_MS * 2 ** this.failures);
    this.failures += 1;
    this.timer = setTimeout(() => this.dial(), this.options.random.next() * ceiling);
  }

  private receive(frame: Received, socket: TestClient): void {
    const where = `${this.userId} on ${socket.establishedData?.node_id} (${socket.establishedData?.connection_id})`;
    if (frame.scope !== undefined) {
      if (this.inbox.onEvent(frame, where)) this.options.onEvent?.(frame, this);
      if (frame.scope === 'user') this.acknowledge();
    } else if (frame.type === 'connection_established' && socket.establishedData) {
      this.established(socket.establishedData.resume, socket.establishedData.positions, frame.at, where);
    } else if (frame.type === 'heartbeat') {
      this.inbox.onHeartbeat(frame.data.positions as Record<Scope, string | null>, where);
    } else if (frame.type === 'gap') {
      this.inbox.onGap(frame.data, frame.at);
    } else if (frame.type === 'error' || frame.type === 'validation_error') {
      // Refused connections are told why; anything else answers to nothing that this client may send.
      if (socket.establishedData) this.inbox.violations.push(`${JSON.stringify(frame.data)}, ${where}`);
    }
  }

  private established(...[resume, positions, at, where]: Parameters<Inbox['onEstablished']>): void {
    this.connects += 1;
    this.connectedAt = at;
    this.connectedFirstAt ||= at;
    this.failures = 0;
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    for (const scope of SCOPES) {
      const key = `${scope} ${resume[scope]}`;
      this.resumes.set(key, (this.resumes.get(key) ?? 0) + 1);
    }
    this.inbox.onEstablished(resume, positions, at, where);
  }

  private acknowledge(): void {
    this.unacknowledged += 1;
    if (this.unacknowledged >= ACK_EVERY) this.sendAck();
    else this.ackTimer ??= setTimeout(() => this.sendAck(), ACK_AFTER_MS);
  }

  private sendAck(): void {
    if (this.ackTimer) clearTimeout(this.ackTimer);
    this.ackTimer = null;
    this.unacknowledged = 0;
    const { user } = this.inbox.positions;
    if (this.isConnected && this.socket?.isOpen && user !== null) this.socket.send('ack', { user });
  }
}
