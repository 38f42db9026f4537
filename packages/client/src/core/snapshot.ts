/** Loads the state. Called again after a gap. */
export type FetchState<T> = () => T | Promise<T>;

/** Takes a newly loaded state, or an event that came after the load began. */
export type Apply<T, E> = (change: { readonly state: T } | { readonly event: E }) => void | Promise<void>;

export interface SnapshotParts {
  /** Resolves when events come that belong to the state. Rejects when there is no connection any more. */
  ready(): Promise<void>;
  /** Resolves after milliseconds. */
  pause(ms: number): Promise<void>;
  onError(error: unknown): void;
}

export interface KeptSnapshot<E> {
  /** Handled when it is applied: not acknowledged before. */
  take(event: E): void | Promise<void>;
  /** Events were lost. */
  restart(): void;
  /** There is a connection: goes on, unless it is up to date. */
  resume(): void;
  end(): void;
}

const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 30_000;

/**
 * Position first, then the state, then what came after the position: whatever is trimmed meanwhile, nothing is missing in the end.
 *
 * @param apply must not throw.
 */
export function keepSnapshot<T, E>(
  fetchState: FetchState<T>,
  apply: Apply<T, E>,
  { ready, pause, onError }: SnapshotParts,
): KeptSnapshot<E> {
  /** Events since the load began; null: they are applied as they come. */
  let buffer: { readonly event: E; readonly handled: () => void }[] | null = [];
  /** Grows with each gap, and with the end: what was loaded before is of no use. */
  let version = 0;
  let isRunning = false;
  let isOver = false;

  /** @returns whether it is up to date. */
  const load = async (): Promise<boolean> => {
    const begun = version;
    const state = await fetchState();
    if (begun === version) await apply({ state });
    while (begun === version) {
      const first = buffer?.shift();
      if (!first) {
        buffer = null;
        return true;
      }
      await apply({ event: first.event });
      first.handled();
    }
    return false;
  };

  const run = async (): Promise<void> => {
    let pauseMs = FIRST_PAUSE_MS;
    while (!isOver) {
      // A client that has failed or is closed calls `resume` when it is connected again.
      if (
        !(await ready().then(
          () => true,
          () => false,
        ))
      )
        return;
      try {
        if (await load()) return;
      } catch (error) {
        onError(error);
        await pause(pauseMs);
        pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
      }
    }
  };

  const resume = (): void => {
    if (!buffer || isRunning || isOver) return;
    isRunning = true;
    void run().finally(() => {
      isRunning = false;
    });
  };

  return {
    take(event) {
      if (!buffer) return apply({ event });
      const waiting = buffer;
      return new Promise((handled) => waiting.push({ event, handled }));
    },
    restart() {
      version += 1;
      buffer ??= [];
      resume();
    },
    resume,
    end() {
      isOver = true;
      version += 1;
      for (const { handled } of buffer?.splice(0) ?? []) handled();
      buffer = null;
    },
  };
}
