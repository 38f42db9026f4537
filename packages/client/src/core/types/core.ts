import type { ConnectionState } from '../connectionState.js';
import type { UnifiedError } from '../errors.js';
import type { AnyEvent, Gap } from '../events.js';
import type { ResumePoint } from '../progress.js';
import type { Report } from './report.js';

/** What a core tells. Plain data but for errors, which `factsOf` makes plain. */
export interface CoreListener {
  onState(state: ConnectionState): void;
  /** The event is handled on return, or when the promise resolves. Must not throw or reject. */
  onEvent(event: AnyEvent): void | Promise<void>;
  onGap(gap: Gap): void;
  onError(error: UnifiedError): void;
}

/** The one connection of a user. The tab layer brings a core that speaks through a message port. */
export interface Core {
  /** The same object until it changes. */
  getState(): ConnectionState;
  /** Once, before anything else. */
  listen(listener: CoreListener): void;
  /** Begins, unless it has. */
  connect(): void;
  /** What the live handlers want: types and patterns. It replaces what was selected before. */
  select(selectors: readonly string[]): void;
  /** Resolves when connected, and the server's set is what is selected. @throws UnifiedError CLOSED */
  ready(): Promise<void>;
  /** Resolves with the `data` of the reply. @throws RequestError, NoReplyError, UnifiedError CLOSED */
  request(type: string, data: object, timeoutMs: number): Promise<unknown>;
  /** Begins anew after `failed`, else hurries. */
  reconnect(): void;
  close(): void;
  /** Closes, and forgets the positions. */
  logout(): void;
  report(): Report;
}

/** A core that has the connection itself. */
export interface OwningCore extends Core {
  /** Where another instance can go on. Plain data, and grows with each event. */
  resumePoint(): ResumePoint;
}
