import type { Socket } from 'node:net';
import {
  CLOSE,
  type CloseCode,
  closeReason,
  DEFAULT_PREFERENCES,
  parsePosition,
  type ServerData,
  type ServerMessageType,
} from '@unified-ws/protocol';
import type { WebSocket } from 'ws';
import { adminPermissions } from '../../auth/grants.js';
import type { Identity } from '../../auth/tokenVerifier.js';
import type { Member } from '../../delivery/broadcast/cohorts.js';
import type { FrameShape } from '../../delivery/frames/eventFrame.js';
import { messageFrame } from '../../delivery/frames/frame.js';
import type { Clearance } from '../../delivery/selection/clearances.js';
import type { IndividualDelivery } from '../../delivery/selection/individualDelivery.js';
import type { Preferences } from '../../delivery/selection/preferences.js';
import { type Choices, NO_CHOICES } from '../../delivery/selection/subscriptions.js';
import type { TypeSet } from '../../delivery/selection/typeSets.js';
import type { MailboxPosition } from '../../delivery/user/mailboxPosition.js';
import type { MailRecipient } from '../../delivery/user/userScope.js';
import type { LogHead } from '../../events/log/broadcastLog.js';
import type { Holder } from '../../registry/recovery/reconciler.js';
import { type Amendment, NO_AMENDMENT } from '../../registry/store/amendment.js';
import type { TokenBucket } from '../../util/tokenBucket.js';
import { type ConnectionSignal, type ConnectionState, nextState } from './connectionState.js';
import { BY_PEER } from './peerClose.js';
import { Writer } from './writer.js';

/** What a connection calls in the rest of the node. One object for all connections of a node. */
export interface ConnectionHost {
  /** Wall clock, ms. */
  now(): number;
  /** An amendment of its token is in force from now on (permissions-changed). */
  onAmended(connection: Connection, amendment: Amendment): void;
  /** The connection went from `open` to `recovering`, or back. */
  onSuspended(connection: Connection): void;
  onRegained(connection: Connection): void;
  /** The peer reads more slowly than the node sends. */
  onCongested(connection: Connection): void;
  /** Whether the connection delivers, and its peer answers, reads, and sends valid messages (`faultsOf`). */
  isHealthy(connection: Connection): boolean;
  /** The connection is closing: remove it from table and cohort, release its claim, end the socket in time. Called once. */
  onEnd(connection: Connection, code: number, detail: string): void;
  /** TCP has ended. Called once, after onEnd. */
  onGone(connection: Connection): void;
}

export interface ConnectionOrigin {
  readonly id: string;
  readonly ip: string;
  readonly client: { readonly id: string; readonly attempt: number } | null;
  /** Whether the client accepts compressed messages (permessage-deflate). */
  readonly inflates: boolean;
  /** The resume position that the client gave, per scope. */
  readonly resume: { readonly broadcast: string | null; readonly user: string | null };
}

/**
 * One WebSocket of this node. Holds no timers, no closures and no request: tens of thousands of these exist.
 */
export class Connection implements Holder, Member, MailRecipient {
  readonly id: string;
  readonly ip: string;
  readonly ws: WebSocket;
  readonly socket: Socket;
  client: ConnectionOrigin['client'];
  resume: ConnectionOrigin['resume'];
  /** User, roles and permissions: those of the token, as amended by permissions-changed. */
  identity: Identity | null = null;
  /** User, roles and permissions of the token alone. */
  token: Identity | null = null;
  amendment: Amendment = NO_AMENDMENT;
  clearance: Clearance | null = null;
  /** The subscribed event types, for routing and for reports. */
  types: TypeSet | null = null;
  /** The user's message preferences. */
  preferences: Preferences = DEFAULT_PREFERENCES;
  /** The delivered event types: `types` within the preferences. Set together with them. */
  delivered: TypeSet | null = null;
  individual: IndividualDelivery | null = null;
  readonly inflates: boolean;
  compress = false;
  /** The user's choices, as saved. */
  choices: Choices = NO_CHOICES;
  /** The `id` of the `authenticate` message, until connection_established answers it. */
  authenticateId: string | undefined = undefined;
  fence = '';
  lease = '';
  established = false;
  /** Wall clock, ms. */
  readonly connectedAt: number;
  lastActivity: number;
  lastPing = 0;
  lastPong = 0;
  /** Number of messages received. */
  messages = 0;
  errors = 0;
  consecutiveErrors = 0;
  /** Token bucket of the message rate; null before the first message. */
  messageBucket: TokenBucket | null = null;
  /** Inbound messages that wait for their turn; null while none ever waited. */
  inbox: (Buffer | null)[] | null = null;
  handling = false;
  /** The key for its token is being fetched. */
  verifying = false;
  /** Used by Liveness. */
  bytesSeen = 0;
  pingDue = 0;
  pongDue = 0;
  heartbeatDue = 0;
  deadline = 0;
  /** Of its token, wall-clock ms, 0 = never: when to send token_expiring, and when to close the connection without a new token. */
  tokenNoticeAt = 0;
  tokenCloseAt = 0;
  /** The end that token_expiring names. */
  tokenEndsAt = 0;
  /** The broadcast position at which it was suspended. */
  suspendedAt: LogHead | null = null;
  /** Position in the user's mailbox; null while there is none. */
  mail: MailboxPosition | null = null;
  private state: ConnectionState = 'authenticating';
  private readonly host: ConnectionHost;
  private readonly writer: Writer;

  constructor(
    ws: WebSocket,
    socket: Socket,
    origin: ConnectionOrigin,
    host: ConnectionHost,
    limits: { readonly maxBufferedBytes: number },
  ) {
    this.id = origin.id;
    this.ip = origin.ip;
    this.client = origin.client;
    this.inflates = origin.inflates;
    this.resume = origin.resume;
    this.ws = ws;
    this.socket = socket;
    this.host = host;
    this.writer = new Writer(socket, limits.maxBufferedBytes);
    this.connectedAt = host.now();
    this.lastActivity = this.connectedAt;
  }

  get status(): ConnectionState {
    return this.state;
  }

  get shape(): FrameShape | undefined {
    return undefined;
  }

  get userId(): string {
    return this.identity?.userId ?? '';
  }

  get issuedAt(): number {
    return this.identity?.issuedAt ?? 0;
  }

  get sessionId(): string {
    return this.identity?.sid ?? '';
  }

  /** Bytes written but not yet accepted by the kernel. */
  get buffered(): number {
    return this.writer.buffered;
  }

  get mailOffset(): number | undefined {
    return this.resume.user === null ? undefined : parsePosition(this.resume.user)?.offset;
  }

  isOpen(): boolean {
    return this.state !== 'closing' && this.state !== 'closed';
  }

  isHealthy(): boolean {
    return this.host.isHealthy(this);
  }

  facts(): string {
    const { identity } = this;
    return JSON.stringify({
      username: identity?.username ?? null,
      roles: identity?.roles ?? [],
      ip: this.ip,
      since: new Date(this.connectedAt).toISOString(),
      admin: this.adminPermissions(),
    });
  }

  /** The user's admin permissions. A caller who lacks one of them cannot act on this user. */
  adminPermissions(): readonly string[] {
    return adminPermissions(this.clearance?.permissions ?? []);
  }

  /** Its peer answered a ping. */
  ponged(): void {
    this.lastPong = this.host.now();
  }

  /** An error was sent to its client. */
  errorSent(): void {
    this.errors += 1;
  }

  /** A message was handled. */
  succeeded(): void {
    this.consecutiveErrors = 0;
  }

  /** A message of its client was at fault. @returns how many in a row. */
  failed(): number {
    this.consecutiveErrors += 1;
    return this.consecutiveErrors;
  }

  /** False when the signal has no meaning in the present state. */
  signal(signal: ConnectionSignal): boolean {
    const next = nextState(this.state, signal);
    if (next === null) return false;
    this.state = next;
    return true;
  }

  write(frames: Buffer): void {
    this.writer.write(frames);
  }

  /** Writes a message that is not an event. */
  send<T extends ServerMessageType>(type: T, data: ServerData<T>, replyTo?: string): void {
    this.sendFrame(messageFrame(type, data, new Date(this.host.now()).toISOString(), replyTo));
  }

  /** As `send`, for a frame that many connections share. */
  sendFrame(frame: Buffer): void {
    if (!this.writer.reply(frame)) this.end(CLOSE.TOO_SLOW);
  }

  isCongested(): boolean {
    if (!this.writer.congested) return false;
    if (this.signal('congest')) this.host.onCongested(this);
    return true;
  }

  /**
   * Called when the heartbeat is due. A connection with heartbeats of its own sends one and returns when the next is due, monotonic ms.
   * Null: the connection gets the common heartbeat.
   *
   * @param _now monotonic ms.
   */
  ownBeat(_now: number): number | null {
    return null;
  }

  amend(amendment: Amendment): void {
    this.host.onAmended(this, amendment);
  }

  suspend(): void {
    if (this.signal('suspend')) this.host.onSuspended(this);
  }

  regain(): void {
    if (this.signal('regain')) this.host.onRegained(this);
  }

  /**
   * Closes the connection. It leaves the table at once, and nothing more is written; TCP ends ≤ 2 s later. Does not wait.
   *
   * @param detail text of the close frame; default: the text of the code. At most 123 bytes.
   */
  end(code: CloseCode, detail: string = closeReason(code)): void {
    this.endWith(code, detail);
  }

  /** As `end`, with a code of RFC 6455. */
  endWith(code: number, detail: string): void {
    if (!this.signal('close')) return;
    this.writer.end();
    this.host.onEnd(this, code, detail);
    // A peer that is too slow would not read a close frame behind its backlog in time.
    if (code === CLOSE.TOO_SLOW || code === CLOSE.NO_PONG) this.ws.terminate();
    else this.ws.close(this.wireCode(code), detail);
  }

  /** The code to send in the close frame. */
  protected wireCode(code: number): number {
    return code;
  }

  /** Wall clock, ms. */
  now(): number {
    return this.host.now();
  }

  /** ws has written a close frame, because the peer closed or broke the framing. Nothing may follow it (RFC 6455 §5.5.1). */
  closing(code: number): void {
    if (!this.signal('close')) return;
    this.writer.end();
    this.host.onEnd(this, code, BY_PEER);
  }

  /** The socket has ended, by either side. */
  gone(code: number): void {
    const wasOpen = this.isOpen();
    if (!this.signal('gone')) return;
    this.writer.end();
    if (wasOpen) this.host.onEnd(this, code, BY_PEER);
    this.host.onGone(this);
  }
}
