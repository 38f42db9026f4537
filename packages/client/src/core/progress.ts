import type { Scope } from './events.js';

/** Opaque positions, as the server gives them; null: none yet. */
export type Positions = Readonly<Record<Scope, string | null>>;

/** All that another instance needs to go on where this one is. Plain data. */
export interface ResumePoint {
  readonly positions: Positions;
  /** Ids of the last events, so that a repeat is recognised. */
  readonly recentIds: readonly string[];
}

/**
 * How far each scope was received, and how far it was handled. Received: resume goes on from here. Handled: nothing before it waits for
 * a handler, so it may be acknowledged and kept. Events may be handled out of order; what counts is the part without a hole.
 */
export interface Progress {
  readonly received: Positions;
  readonly handled: Positions;
  readonly recentIds: ReadonlySet<string>;
  /** Whether an event of this id was received before; it is remembered from now on. */
  isRepeat(id: string): boolean;
  /** An event of this position was received. Returns what is to be called when it is handled. */
  receive(scope: Scope, position: string | null): () => void;
  /** There is nothing for this client up to here that did not come before. */
  move(scope: Scope, position: string | null): void;
}

export const SCOPES: readonly Scope[] = ['broadcast', 'user'];
export const isScope = (value: unknown): value is Scope => SCOPES.includes(value as Scope);
/** Repeats come after a gap, and while one connection takes the place of another: they are never older than this many events. */
const REMEMBERED_IDS = 1000;

/** @param onHandled `handled` has changed. */
export function createProgress(start: ResumePoint | undefined, onHandled: () => void): Progress {
  const recentIds = new Set(start?.recentIds);
  const received = { broadcast: null, user: null, ...start?.positions };
  const handled = { ...received };
  const steps: Record<Scope, { readonly position: string | null; isHandled: boolean }[]> = { broadcast: [], user: [] };

  const receive = (scope: Scope, position: string | null): (() => void) => {
    const step = { position, isHandled: false };
    const waiting = steps[scope];
    received[scope] = position;
    waiting.push(step);
    return () => {
      step.isHandled = true;
      const before = handled[scope];
      while (waiting[0]?.isHandled) handled[scope] = waiting.shift()?.position ?? null;
      if (handled[scope] !== before) onHandled();
    };
  };

  return {
    received,
    handled,
    recentIds,
    receive,
    isRepeat(id) {
      if (recentIds.has(id)) return true;
      recentIds.add(id);
      const [oldest] = recentIds;
      if (recentIds.size > REMEMBERED_IDS) recentIds.delete(oldest as string);
      return false;
    },
    move(scope, position) {
      if (received[scope] !== position) receive(scope, position)();
    },
  };
}
