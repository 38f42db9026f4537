import { type Client, linked, type Off, type SubscribeOptions } from './client.js';
import type { Selector, ServerEvent, TypesOf } from './events.js';

/**
 * The events as an async iterator, from this call on. An event is handled when the next one is asked for, or the loop is left. The
 * loop ends with the signal, and with `close`.
 *
 * @example
 * for await (const event of events(client, 'zone_*')) console.log(event.type, event.data);
 */
export function events<Events extends object, S extends Selector<Events>>(
  client: Client<Events>,
  selector: S | readonly S[],
  { signal }: SubscribeOptions = {},
): AsyncIterableIterator<ServerEvent<Events, TypesOf<Events, S>>> {
  const ends: Off[] = [];
  const stream = eventStream<ServerEvent<Events, TypesOf<Events, S>>>(() => {
    for (const end of ends) end();
  });
  ends.push(client.on(selector, stream.take));
  ends.push(client.onState(({ status }) => status === 'closed' && stream.end()));
  ends.push(linked(signal, stream.end));
  return stream.iterator;
}

interface EventStream<E> {
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
function eventStream<E>(onEnd: () => void): EventStream<E> {
  const waiting: { readonly event: E; readonly handled: () => void }[] = [];
  const readers: ((result: IteratorResult<E, undefined>) => void)[] = [];
  const over: IteratorResult<E, undefined> = { done: true, value: undefined };
  let isOver = false;
  /** Of the event that the loop is at. */
  let handled: (() => void) | null = null;

  const flush = (): void => {
    while (readers.length > 0 && (waiting.length > 0 || isOver)) {
      const first = waiting.shift();
      handled = first?.handled ?? null;
      readers.shift()?.(first ? { done: false, value: first.event } : over);
    }
  };

  const end = (): void => {
    if (isOver) return;
    isOver = true;
    onEnd();
    handled?.();
    for (const one of waiting.splice(0)) one.handled();
    flush();
  };

  return {
    end,
    take: (event) =>
      new Promise((resolve) => {
        waiting.push({ event, handled: resolve });
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
