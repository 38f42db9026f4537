import type { WebSocketLike } from '../environment.js';
import type { Positions, ResumePoint } from '../progress.js';
import type { GetToken } from '../tokens.js';

/** Keeps positions beyond the life of the page: a client that starts with them gets what happened meanwhile. */
export interface PositionStore {
  /** Null: nothing is kept. What cannot be read back counts as nothing. */
  load(): Positions | null | Promise<Positions | null>;
  /** Called a few times a second at most. */
  save(positions: Positions): void;
  /** `logout()` was called. */
  clear(): void;
}

export interface CoreOptions {
  /** The server's `/api/unified/ws`; `http` and `https` count as `ws` and `wss`. */
  readonly url: string;
  readonly getToken: GetToken;
  /** Default: positions are kept in memory. */
  readonly positions?: PositionStore;
  /** Time for `getToken`, milliseconds. Default 30,000. */
  readonly tokenTimeoutMs?: number;
  /** Time from the first packet to `connection_established`, milliseconds. Default 20,000. */
  readonly connectTimeoutMs?: number;
  /** Time for the answer to a ping, milliseconds. Default 5,000. */
  readonly pingTimeoutMs?: number;
  /** Logs each change of state. Default false. */
  readonly debug?: boolean;
  /** Default: that of the platform, else that of the package `ws`. */
  readonly WebSocket?: WebSocketLike;
  /** Where another instance stopped. */
  readonly resume?: ResumePoint;
  /**
   * `<id>.<number>` for the next attempt; the number grows with each attempt of the same id. Default: a random id per instance.
   */
  readonly nextAttempt?: () => string;
}
