import type { AnyEvent, ConnectionState, ErrorFacts, Gap, Positions } from '../core/index.js';

/** What the tabs of a user know of each other: tab id, and what its handlers select. */
export interface Member {
  readonly selectors: readonly string[];
  readonly isHidden: boolean;
}

/** What a tab asks of the connection. */
export type Call =
  | { readonly method: 'ready' }
  | { readonly method: 'reconnect' }
  | { readonly method: 'request'; readonly type: string; readonly data: object; readonly timeoutMs: number };

/** Every tab gets every message. Fields are only added: tabs of older deploys take part. */
export type TabMessage = { readonly tab: string } & (
  | { readonly kind: 'member'; readonly member: Member; readonly asks: boolean }
  | { readonly kind: 'handled'; readonly ids: readonly string[] }
  | { readonly kind: 'call'; readonly id: number; readonly call: Call }
);

export type LeaderMessage = { readonly leader: string } /** It has the lock from now on. */ & (
  | { readonly kind: 'lead' }
  /** The answer to a member that asks. */
  | {
      readonly kind: 'here';
      readonly members: readonly (readonly [string, Member])[];
      readonly positions: Positions | null;
      readonly attempt: string | null;
      readonly state: ConnectionState;
    }
  /** Asks the tabs for a sign of life. */
  | { readonly kind: 'ask' }
  | { readonly kind: 'state'; readonly state: ConnectionState }
  /** The tabs of `tabs` say when it is handled. */
  | { readonly kind: 'event'; readonly event: AnyEvent; readonly tabs: readonly string[] }
  | { readonly kind: 'gap'; readonly gap: Gap }
  | { readonly kind: 'error'; readonly error: ErrorFacts }
  /** Every tab has handled everything up to here. The next leader continues from here. */
  | { readonly kind: 'positions'; readonly positions: Positions }
  /** It dials with this. */
  | { readonly kind: 'attempt'; readonly attempt: string }
  | {
      readonly kind: 'reply';
      readonly tab: string;
      readonly id: number;
      readonly value?: unknown;
      readonly error?: ErrorFacts;
    }
);
