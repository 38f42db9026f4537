import { CLOSE } from '@unified-ws/protocol';
import type { RawData, WebSocket } from 'ws';
import type { Core } from '../../core.js';
import type { Settings } from '../../settings/settings.js';
import { AppError } from '../../util/appError.js';
import { TokenBucket } from '../../util/tokenBucket.js';
import type { Connection } from '../lifecycle/connection.js';

/** Maximum number of messages that wait for their turn. Above it reading stops, so a busy client waits in its own socket (G6). */
const MAX_INBOX = 32;
const RESUME_INBOX = 8;
/** Maximum bytes of those messages. With a MAX_PAYLOAD of 16 MiB, 32 messages would be half a gigabyte per peer while Redis is slow. */
const MAX_INBOX_BYTES = 256 * 1024;
/** Close code of RFC 6455 for unsupported data: this protocol has only text frames. */
const UNSUPPORTED_DATA = 1003;

interface InboundParts extends Pick<Core, 'clock' | 'report'>, Pick<Settings, 'messageRate' | 'messageBurst'> {
  /** Handles the first message of a connection that is not authenticated. */
  readonly onFirstMessage: (connection: Connection, text: Buffer) => void;
  /** Handles a message of an established connection. Never rejects because of the client. */
  readonly handle: (connection: Connection, text: Buffer) => Promise<void> | undefined;
  readonly sendError: (connection: Connection, error: AppError) => void;
}

const CONNECTION = Symbol('connection');
type Tagged = WebSocket & { [CONNECTION]?: Connection };

/** Receives the messages of clients: in order per connection, one at a time, limited in rate and number. */
export class Inbound {
  private readonly parts: InboundParts;
  private readonly onMessage: (this: WebSocket, data: RawData, isBinary: boolean) => void;
  private readonly onPing: (this: WebSocket) => void;
  private readonly onPong: (this: WebSocket) => void;
  private readonly onClose: (this: WebSocket, code: number) => void;
  private readonly onClosing: (this: WebSocket, code: number) => void;

  constructor(parts: InboundParts) {
    this.parts = parts;
    const self = this;
    // Shared by all connections, which are found through `this`: no closure per connection.
    this.onMessage = function (data, isBinary) {
      const connection = (this as Tagged)[CONNECTION];
      if (connection) self.receive(connection, data, isBinary);
    };
    // ws has already answered the ping.
    this.onPing = function () {
      const connection = (this as Tagged)[CONNECTION];
      if (connection) self.control(connection);
    };
    this.onPong = function () {
      const connection = (this as Tagged)[CONNECTION];
      if (!connection) return;
      connection.ponged();
      self.control(connection);
    };
    this.onClose = function (code) {
      (this as Tagged)[CONNECTION]?.gone(code);
    };
    this.onClosing = function (code) {
      (this as Tagged)[CONNECTION]?.closing(code);
    };
  }

  attach(connection: Connection): void {
    const ws = connection.ws as Tagged;
    ws[CONNECTION] = connection;
    ws.on('message', this.onMessage);
    ws.on('ping', this.onPing);
    ws.on('pong', this.onPong);
    ws.on('close', this.onClose);
    ws.on('closing', this.onClosing);
    ws.on('error', alreadyClosing);
  }

  /** Handles the messages that waited while the connection was being established. */
  process(connection: Connection): void {
    const { inbox } = connection;
    while (inbox !== null && inbox.length > 0 && !connection.handling) {
      if (!isReady(connection)) return;
      const text = inbox.shift() as Buffer;
      if (connection.ws.isPaused && inbox.length <= RESUME_INBOX && !isHeavy(inbox)) connection.ws.resume();
      this.dispatch(connection, text);
    }
  }

  private receive(connection: Connection, data: RawData, isBinary: boolean): void {
    if (!connection.isOpen()) return;
    const { clock } = this.parts;
    connection.messages += 1;
    connection.lastActivity = clock.now();
    if (isBinary) {
      connection.endWith(UNSUPPORTED_DATA, 'text frames only');
      return;
    }
    if (!this.withinRate(connection)) return;
    const text = data as Buffer;
    if (connection.status === 'authenticating' && !connection.verifying) {
      this.parts.onFirstMessage(connection, text);
      return;
    }
    if (isReady(connection) && !connection.handling && (connection.inbox === null || connection.inbox.length === 0)) {
      this.dispatch(connection, text);
      return;
    }
    connection.inbox ??= [];
    connection.inbox.push(text);
    // While a token is being verified, only messages that arrived together with it are kept.
    if (connection.ws.isPaused) return;
    const isFull = connection.inbox.length >= MAX_INBOX || isHeavy(connection.inbox);
    if (isFull || connection.status === 'authenticating') connection.ws.pause();
  }

  private dispatch(connection: Connection, text: Buffer): void {
    const pending = this.parts.handle(connection, text);
    if (pending === undefined) return;
    connection.handling = true;
    pending
      .catch((error: unknown) => this.parts.report(error, 'edge.dispatch'))
      .finally(() => {
        connection.handling = false;
        this.process(connection);
      });
  }

  /**
   * Control frames take tokens from the same bucket. Otherwise they would bypass the limit: each costs about as much as a message, and
   * those between the fragments of a message keep everything received with them in memory. Single frames are not refused.
   */
  private control(connection: Connection): void {
    if (connection.isOpen() && this.take(connection) < -this.parts.messageBurst) endFlood(connection);
  }

  /** @returns the tokens left in the connection's bucket; below 0: over the rate. */
  private take(connection: Connection): number {
    const { clock, messageRate, messageBurst } = this.parts;
    connection.messageBucket ??= new TokenBucket(messageRate / 1000, messageBurst);
    return connection.messageBucket.charge(clock.mono());
  }

  /** Messages over the rate are refused one by one. A whole burst of refused messages ends the connection. */
  private withinRate(connection: Connection): boolean {
    const { messageRate, messageBurst, sendError } = this.parts;
    const left = this.take(connection);
    if (left >= 0) return true;
    if (left < -messageBurst) {
      endFlood(connection);
      return false;
    }
    const retryAfterMs = Math.ceil((-left * 1000) / messageRate);
    sendError(
      connection,
      new AppError('RATE_LIMITED', 'Too many messages: this one was not processed.', {
        details: { retry_after_ms: retryAfterMs },
      }),
    );
    return false;
  }
}

/** Does not wait for the peer's close frame: until then the flood would go on, and fragments would be kept. */
function endFlood(connection: Connection): void {
  connection.end(CLOSE.RATE_LIMIT);
  connection.ws.pause();
}

/** ws has closed with the code of the fault (1002, 1007, 1009) and emitted `closing`. Without a listener the process would end. */
function alreadyClosing(): void {
  return;
}

function isHeavy(inbox: readonly (Buffer | null)[]): boolean {
  return inbox.reduce((sum, text) => sum + (text?.length ?? 0), 0) >= MAX_INBOX_BYTES;
}

/** Whether messages of the connection may be handled, even if nothing is delivered to it at present. */
function isReady({ status }: Connection): boolean {
  return status === 'open' || status === 'congested' || status === 'recovering';
}
