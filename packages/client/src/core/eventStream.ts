export interface EventStream<E> {
  readonly iterator: AsyncIterableIterator<E>;
  /** The promise resolves when the event is handled. */
  take(event: E): Promise<void>;
  /** The loop ends. What it did not take is nobody's any more. */
  end(): void;
}

/**
 * Events as an async iterator. Each is handled when the next one is asked for.
 *
 * @param onEnd called once.
 */
export function eventStream<E>(onEnd: () => void): EventStream<E> {
  const events: { readonly event: E; readonly handled: () => void }[] = [];
  const readers: ((result: IteratorResult<E, undefined>) => void)[] = [];
  const over: IteratorResult<E, undefined> = { done: true, value: undefined };
  let isOver = false;
  /** Of the event that the loop is at. */
  let handled: (() => void) | null = null;

  const flush = (): void => {
    while (readers.length > 0 && (events.length > 0 || isOver)) {
      const first = events.shift();
      handled = first?.handled ?? null;
      readers.shift()?.(first ? { done: false, value: first.event } : over);
    }
  };

  const end = (): void => {
    if (isOver) return;
    isOver = true;
    onEnd();
    handled?.();
    for (const one of events.splice(0)) one.handled();
    flush();
  };

  return {
    end,
    take: (event) =>
      new Promise((resolve) => {
        events.push({ event, handled: resolve });
        flush();
      }),
    iterator: {
      [Symbol.asyncIterator]() {
        return this;
      },
      next() {
        handled?.();
        return new Promise((resolve) => {
          readers.push(resolve);
          flush();
        });
      },
      async return() {
        end();
        return over;
      },
    },
  };
}
