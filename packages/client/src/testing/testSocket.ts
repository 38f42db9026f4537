/** The server's end of a socket. */
export interface TestPeer {
  readonly url: URL;
  readonly protocols: readonly string[];
  /** Sends a text frame. Nothing happens when the socket is closed. */
  send(text: string): void;
  /** Closes with a close frame. */
  close(code: number, reason: string): void;
  /** Ends it as a broken network does: 1006, without a word. */
  cut(): void;
  /** From now on nothing arrives, on either side, and neither is told. */
  drop(): void;
  onText: (text: string) => void;
  /** Once: the client has closed the socket, or it was closed or cut. */
  onClosed: () => void;
}

/** What a socket does with each new peer. Null: the upgrade is refused. */
export type TestUpgrade = (peer: TestPeer) => string | null;

/** Milliseconds by which what the server sends is late; asked for each frame. */
export type TestDelay = () => number;

/** The WebSocket class of a test server; `new` of it opens a socket to this server, whatever the host of the URL. */
export type TestWebSocketClass = new (url: string | URL, protocols?: string | string[]) => TestWebSocket;

type Handler = ((event: Event) => void) | null;

const MAX_REASON_BYTES = 123;

/** As the WebSocket of browsers and of Node.js, without a network. */
class TestWebSocket extends EventTarget {
  static readonly CONNECTING = 0;
  static readonly OPEN = 1;
  static readonly CLOSING = 2;
  static readonly CLOSED = 3;
  readonly CONNECTING = 0;
  readonly OPEN = 1;
  readonly CLOSING = 2;
  readonly CLOSED = 3;
  readonly url: string;
  readonly extensions = '';
  readonly bufferedAmount = 0;
  binaryType: 'blob' | 'arraybuffer' = 'blob';
  protocol = '';
  readyState = 0;
  onopen: Handler = null;
  onmessage: Handler = null;
  onerror: Handler = null;
  onclose: Handler = null;
  private readonly peer: TestPeer;
  private readonly delay: TestDelay;
  /** Frames of either side come in their order, each in a turn of its own. */
  private incoming: Promise<void> = Promise.resolve();
  private outgoing: Promise<void> = Promise.resolve();
  private isCut = false;
  private isDropped = false;

  constructor(url: string | URL, protocols: string | string[], upgrade: TestUpgrade, delay: TestDelay) {
    super();
    const parsed = new URL(url);
    if (!/^(?:ws|http)s?:$/.test(parsed.protocol))
      throw new DOMException('The URL is not one of a WebSocket.', 'SyntaxError');
    this.url = parsed.href;
    this.delay = delay;
    this.peer = {
      url: parsed,
      protocols: typeof protocols === 'string' ? [protocols] : protocols,
      send: (text) => this.later(() => this.receive(text)),
      close: (code, reason) => this.later(() => this.end(code, reason, true)),
      cut: () => this.cut(),
      drop: () => {
        this.isDropped = true;
      },
      onText: () => undefined,
      onClosed: () => undefined,
    };
    this.later(() => {
      const protocol = upgrade(this.peer);
      if (protocol === null) this.cut();
      else {
        this.protocol = protocol;
        this.readyState = TestWebSocket.OPEN;
        this.emit('open', {});
      }
    });
  }

  send(data: string): void {
    if (this.readyState === TestWebSocket.CONNECTING)
      throw new DOMException('The socket is not open yet.', 'InvalidStateError');
    if (this.readyState !== TestWebSocket.OPEN) return;
    this.outgoing = this.outgoing.then(() => {
      if (!this.isCut && !this.isDropped) this.peer.onText(String(data));
    });
  }

  close(code?: number, reason = ''): void {
    if (code !== undefined && code !== 1000 && !(code >= 3000 && code <= 4999)) {
      throw new DOMException(`The close code ${code} is not allowed.`, 'InvalidAccessError');
    }
    if (encodeURIComponent(reason).replace(/%../g, '.').length > MAX_REASON_BYTES) {
      throw new DOMException('The reason is too long.', 'SyntaxError');
    }
    if (this.readyState >= TestWebSocket.CLOSING) return;
    // The other side's close frame would never come.
    if (this.readyState === TestWebSocket.CONNECTING || this.isDropped) {
      this.readyState = TestWebSocket.CLOSING;
      this.cut();
      return;
    }
    this.readyState = TestWebSocket.CLOSING;
    // After what was sent before.
    this.outgoing = this.outgoing.then(() => this.later(() => this.end(code ?? 1005, reason, true)));
  }

  private cut(): void {
    this.isCut = true;
    void Promise.resolve().then(() => {
      if (this.readyState === TestWebSocket.CLOSED) return;
      this.emit('error', {});
      this.end(1006, '', false);
    });
  }

  private later(work: () => void): void {
    const ms = this.delay();
    // The time runs from now on: a second late frame is not late twice.
    const due = ms > 0 ? new Promise<void>((resolve) => setTimeout(resolve, ms)) : undefined;
    this.incoming = this.incoming
      .then(() => due)
      .then(() => {
        if (!this.isCut && !this.isDropped) work();
      });
  }

  private receive(data: string): void {
    if (this.readyState === TestWebSocket.OPEN) this.emit('message', { data, origin: this.peer.url.origin });
  }

  private end(code: number, reason: string, wasClean: boolean): void {
    if (this.readyState === TestWebSocket.CLOSED) return;
    this.readyState = TestWebSocket.CLOSED;
    this.peer.onClosed();
    this.emit('close', { code, reason, wasClean });
  }

  /** CloseEvent is missing in Node.js before 23, so the fields are put on a plain Event. */
  private emit(type: 'open' | 'message' | 'error' | 'close', fields: object): void {
    const event = Object.assign(new Event(type), fields);
    const handler = this[`on${type}`];
    if (handler) this.addEventListener(type, handler, { once: true });
    this.dispatchEvent(event);
  }
}

/** The class to inject. */
export function testWebSocketClass(upgrade: TestUpgrade, delay: TestDelay): TestWebSocketClass {
  return class extends TestWebSocket {
    constructor(url: string | URL, protocols: string | string[] = []) {
      super(url, protocols, upgrade, delay);
    }
  };
}
