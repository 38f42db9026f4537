import { CLOSE } from '@unified-ws/protocol';
import type { RawData, WebSocket } from 'ws';
import type { Core } from '../../core.js';
import type { Settings } from '../../settings/settings.js';
import { AppError } from '../../util/appError.js';
import { TokenBucket } from '../../util/tokenBucket.js';
import type { Connection } from '../lifecycle/connection.js';

/** Messages that may wait for their turn. Reading stops at the bound, so a chatty client waits in its own socket (G6). */
const MAX_INBOX = 32;
const RESUME_INBOX = 8;
/** And bytes of them: with a MAX_PAYLOAD of 16 MiB, 32 messages are half a gigabyte, of each peer while Redis is slow. */
const MAX_INBOX_BYTES = 256 * 1024;
/** Close code of RFC 6455 for data that is not taken: this protocol is text. */
const UNSUPPORTED_DATA = 1003;

interface InboundParts extends Pick<Core, 'clock' | 'report'>, Pick<Settings, 'messageRate' | 'messageBurst'> {
  /** The first message of a connection that is not authenticated. */
  readonly onFirstMessage: (connection: Connection, text: Buffer) => void;
  /** A message of an established connection. Never rejects for what the client did. */
  readonly handle: (connection: Connection, text: Buffer) => Promise<void> | undefined;
  readonly sendError: (connection: Connection, error: AppError) => void;
}

const CONNECTION = Symbol('connection');
type Tagged = WebSocket & { [CONNECTION]?: Connection };

/** Takes what the peers send: in order per connection, one at a time, bounded in rate and number. */
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
    // Shared by all connections, which find themselves through `this`: no closure per connection.
    this.onMessage = function (data, isBinary) {
      const connection = (this as Tagged)[CONNECTION];
      if (connection) self.receive(connection, data, isBinary);
    };
    // ws has answered it.
    this.onPing = function () {
      const connection = (this as Tagged)[CONNECTION];
      if (connection) self.control(connection);
    };
    this.onPong = function () {
      const connection = (this as Tagged)[CONNECTION];
      if (!connection) return;
      connection.lastPong = parts.clock.now();
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

  /** Works off what waited while the connection was being established. */
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
    if (connection.status === 'authenticating' && !connection.handling) {
      this.parts.onFirstMessage(connection, text);
      return;
    }
    if (isReady(connection) && !connection.handling && (connection.inbox === null || connection.inbox.length === 0)) {
      this.dispatch(connection, text);
      return;
    }
    connection.inbox ??= [];
    connection.inbox.push(text);
    // Nothing is kept for a peer whose token is still looked up, besides what came with it.
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
   * Control frames come out of the same bucket, or they would be a way around it: each costs about what a message does, and those
   * within a message in fragments keep the memory of all that came with it. None is refused alone, there is nothing to refuse.
   */
  private control(connection: Connection): void {
    if (connection.isOpen() && this.take(connection) < -this.parts.messageBurst) endFlood(connection);
  }

  /** @returns what is left in the connection's token bucket; below 0: it is over the rate. */
  private take(connection: Connection): number {
    const { clock, messageRate, messageBurst } = this.parts;
    connection.messageBucket ??= new TokenBucket(messageRate / 1000, messageBurst);
    return connection.messageBucket.charge(clock.mono());
  }

  /** Messages over the rate are refused one by one; a whole burst of refused ones ends the connection. */
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

/** Its answer to the close frame is not waited for: behind it the flood would go on, and what is in fragments be kept. */
function endFlood(connection: Connection): void {
  connection.end(CLOSE.RATE_LIMIT);
  connection.ws.pause();
}

/** ws has closed with the code of the fault (1002, 1007, 1009) and told it by `closing`; without a listener the process would end. */
function alreadyClosing(): void {
  return;
}

function isHeavy(inbox: readonly (Buffer | null)[]): boolean {
  return inbox.reduce((sum, text) => sum + (text?.length ?? 0), 0) >= MAX_INBOX_BYTES;
}

/** Its messages may be handled, whether or not it is delivered to just now. */
function isReady({ status }: Connection): boolean {
  return status === 'open' || status === 'congested' || status === 'recovering';
}
