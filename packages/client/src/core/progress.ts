import type { Scope } from './events.js';

/** Opaque positions, as the server gives them; null: none yet. */
export type Positions = Readonly<Record<Scope, string | null>>;

/** All that another instance needs to go on where this one is. Plain data. */
export interface ResumePoint {
  readonly positions: Positions;
  /** Ids of the last events, so that a repeat is recognised. */
  readonly recentIds: readonly string[];
}

export const SCOPES: readonly Scope[] = ['broadcast', 'user'];
/** Repeats come after a gap, and while one connection takes the place of another: they are never older than this many events. */
const REMEMBERED_IDS = 1000;

/** A place in a scope that was reached, and whether everything up to it was handled. */
interface Step {
  readonly position: string | null;
  isHandled: boolean;
}

/**
 * How far each scope was received, and how far it was handled. Received: resume goes on from here. Handled: nothing before it waits for
 * a handler, so it may be acknowledged and kept. Events may be handled out of order; what counts is the part without a hole.
 */
export class Progress {
  private readonly received: Record<Scope, string | null> = { broadcast: null, user: null };
  private readonly handledUpTo: Record<Scope, string | null> = { broadcast: null, user: null };
  private readonly steps: Record<Scope, Step[]> = { broadcast: [], user: [] };
  private readonly ids = new Set<string>();
  private readonly onHandled: () => void;

  /** @param onHandled `handled` has changed. */
  constructor(onHandled: () => void) {
    this.onHandled = onHandled;
  }

  get positions(): Positions {
    return this.received;
  }

  get handled(): Positions {
    return this.handledUpTo;
  }

  get resumePoint(): ResumePoint {
    return { positions: { ...this.received }, recentIds: [...this.ids] };
  }

  restore({ positions, recentIds }: ResumePoint): void {
    for (const scope of SCOPES) {
      this.received[scope] = positions[scope];
      this.handledUpTo[scope] = positions[scope];
    }
    for (const id of recentIds) this.remember(id);
  }

  /** Whether an event of this id was received before; it is remembered from now on. */
  isRepeat(id: string): boolean {
    if (this.ids.has(id)) return true;
    this.remember(id);
    return false;
  }

  private remember(id: string): void {
    this.ids.add(id);
    if (this.ids.size <= REMEMBERED_IDS) return;
    for (const oldest of this.ids) {
      this.ids.delete(oldest);
      return;
    }
  }

  /** An event of this position was received. Returns what is to be called when it is handled. */
  receive(scope: Scope, position: string | null): () => void {
    const step: Step = { position, isHandled: false };
    this.received[scope] = position;
    this.steps[scope].push(step);
    return () => {
      step.isHandled = true;
      this.advance(scope);
    };
  }

  /** The server says that there is nothing for this client up to here that it did not send before. */
  move(scope: Scope, position: string | null): void {
    if (this.received[scope] !== position) this.receive(scope, position)();
  }

  private advance(scope: Scope): void {
    const steps = this.steps[scope];
    const waiting = steps.findIndex(({ isHandled }) => !isHandled);
    const done = steps.splice(0, waiting < 0 ? steps.length : waiting);
    const last = done.at(-1);
    if (!last) return;
    this.handledUpTo[scope] = last.position;
    this.onHandled();
  }
}
