/** Loads the state. Called again after a gap. */
export type FetchState<T> = () => T | Promise<T>;

/** Takes a newly loaded state, or an event that came after the load began. */
export type Apply<T, E> = (change: { readonly state: T } | { readonly event: E }) => void | Promise<void>;

export interface SnapshotParts {
  /** Resolves when events come that belong to the state. Rejects when there is no connection any more. */
  readonly ready: () => Promise<void>;
  /** Resolves after milliseconds. */
  readonly pause: (ms: number) => Promise<void>;
  readonly onError: (code: 'HANDLER_FAILED' | 'SNAPSHOT_FAILED', error: unknown) => void;
}

const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 30_000;

/** Position first, then the state, then what came after the position: whatever is trimmed meanwhile, nothing is missing in the end. */
export class Snapshot<T, E> {
  private readonly fetchState: FetchState<T>;
  private readonly apply: Apply<T, E>;
  private readonly parts: SnapshotParts;
  /** Events since the load began; null: they are applied as they come. */
  private buffer: { readonly event: E; readonly handled: () => void }[] | null = [];
  /** Grows with each gap: what was loaded before is of no use. */
  private version = 0;
  private isRunning = false;
  private isOver = false;

  constructor(fetchState: FetchState<T>, apply: Apply<T, E>, parts: SnapshotParts) {
    this.fetchState = fetchState;
    this.apply = apply;
    this.parts = parts;
  }

  /** Handled when it is applied: not acknowledged before. */
  take(event: E): void | Promise<void> {
    const { buffer } = this;
    if (buffer) return new Promise((handled) => buffer.push({ event, handled }));
    return this.apply({ event });
  }

  /** Events were lost. */
  restart(): void {
    this.version += 1;
    this.buffer ??= [];
    this.resume();
  }

  /** There is a connection: goes on, unless it is up to date. */
  resume(): void {
    if (this.buffer === null || this.isRunning || this.isOver) return;
    this.isRunning = true;
    void this.run().finally(() => {
      this.isRunning = false;
    });
  }

  end(): void {
    this.isOver = true;
    for (const { handled } of this.buffer?.splice(0) ?? []) handled();
    this.buffer = null;
  }

  private async run(): Promise<void> {
    for (let pauseMs = FIRST_PAUSE_MS; !this.isOver; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
      const { version } = this;
      try {
        await this.parts.ready();
      } catch {
        // It has failed or is closed: `resume` is called when it is connected again.
        return;
      }
      try {
        const state = await this.fetchState();
        if (version === this.version) {
          if (await this.applied(version, state)) return;
        }
        pauseMs = FIRST_PAUSE_MS / 2;
      } catch (error) {
        this.parts.onError('SNAPSHOT_FAILED', error);
        await this.parts.pause(pauseMs);
      }
    }
  }

  /** @returns whether it is up to date. */
  private async applied(version: number, state: T): Promise<boolean> {
    const isCurrent = (): boolean => version === this.version && !this.isOver;
    if (isCurrent()) await this.change({ state });
    while (isCurrent() && this.buffer) {
      const first = this.buffer.shift();
      if (!first) {
        this.buffer = null;
        return true;
      }
      await this.change({ event: first.event });
      first.handled();
    }
    return this.isOver;
  }

  private async change(change: { readonly state: T } | { readonly event: E }): Promise<void> {
    try {
      await this.apply(change);
    } catch (error) {
      this.parts.onError('HANDLER_FAILED', error);
    }
  }
}
