/** The part of `WebSocket` that the client uses: that of browsers and of Node.js, and `ws`. */
export interface SocketLike {
  send(text: string): void;
  close(code?: number, reason?: string): void;
  /** Handlers. Only set, so their types do not matter: those of the platforms differ. */
  onmessage: unknown;
  onclose: unknown;
  onerror: unknown;
}

export type WebSocketLike = new (url: string, protocols: string[]) => SocketLike;

/** The part of `AbortSignal` that the client uses. */
export interface AbortSignalLike {
  readonly aborted: boolean;
  readonly reason?: unknown;
  addEventListener(type: 'abort', listener: () => void): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

/** Everything that the client takes from its surroundings. Tests and the tab layer bring their own. */
export interface Environment {
  /** Monotonic milliseconds. */
  now(): number;
  /** Milliseconds since 1970: to tell people a time, and to see that the machine slept. */
  wallNow(): number;
  /** 0 up to 1. */
  random(): number;
  /** Calls back once. Returns a function that prevents it. */
  setTimer(ms: number, callback: () => void): () => void;
  /** The constructor of WebSockets. */
  webSocket(): WebSocketLike | Promise<WebSocketLike>;
  /** Whether all pages are hidden: then the client reconnects at most once a minute. */
  isHidden(): boolean;
  /**
   * Calls back when something may have ended a wait, or a connection: the network is back, a page is shown, or came back from the cache
   * of the browser. Returns a function that ends the listening.
   */
  onWake(listener: () => void): () => void;
  /** For `debug`, and for errors that nobody else takes. */
  log(level: 'debug' | 'error', message: string, detail: unknown): void;
}

interface EventTargetLike {
  addEventListener(type: string, listener: () => void): void;
  removeEventListener(type: string, listener: () => void): void;
}

/** What may be there. Declared here, so that the client compiles and type-checks without DOM types. */
interface Globals extends Partial<EventTargetLike> {
  readonly WebSocket?: WebSocketLike;
  readonly document?: EventTargetLike & { readonly visibilityState: string };
  readonly performance: { now(): number };
  readonly console: Record<'debug' | 'error', (...args: unknown[]) => void>;
  setTimeout(callback: () => void, ms: number): unknown;
  clearTimeout(timer: unknown): void;
}

const globals = globalThis as unknown as Globals;
/** A longer delay would count as none. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Calls back once. Returns a function that prevents it. */
export function setTimer(ms: number, callback: () => void): () => void {
  const timer = globals.setTimeout(callback, Math.min(ms, MAX_TIMER_MS));
  return () => globals.clearTimeout(timer);
}

/** In a variable, so that no bundler looks for it: only Node.js without a WebSocket of its own gets here. */
const WS_MODULE = 'ws';

/** The surroundings of a page, a worker or Node.js. */
export function defaultEnvironment(webSocket: WebSocketLike | undefined): Environment {
  return {
    now: () => globals.performance.now(),
    wallNow: () => Date.now(),
    random: () => Math.random(),
    setTimer,
    webSocket() {
      const known = webSocket ?? globals.WebSocket;
      if (known) return known;
      return import(/* @vite-ignore */ /* webpackIgnore: true */ WS_MODULE).then(
        (module: { readonly WebSocket: WebSocketLike }) => module.WebSocket,
      );
    },
    isHidden: () => globals.document?.visibilityState === 'hidden',
    onWake(listener) {
      const sources: readonly [Partial<EventTargetLike> | undefined, string][] = [
        [globals, 'online'],
        [globals, 'pageshow'],
        [globals.document, 'visibilitychange'],
      ];
      for (const [target, type] of sources) target?.addEventListener?.(type, listener);
      return () => {
        for (const [target, type] of sources) target?.removeEventListener?.(type, listener);
      };
    },
    log: (level, message, detail) => globals.console[level](`unified-ws: ${message}`, detail),
  };
}
