import { type Client, linked, type Off, type SubscribeOptions } from './client.js';
import { setTimer } from './environment.js';
import { UnifiedError } from './errors.js';
import type { Selector, ServerEvent, TypesOf } from './events.js';

/** Loads the state. Called again after a gap. */
export type FetchState<T> = () => T | Promise<T>;

/** Takes a newly loaded state, or an event that came after the load began. */
export type Apply<T, E> = (change: { readonly state: T } | { readonly event: E }) => void | Promise<void>;

interface Follower<E> {
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
 * Keeps a copy of a state of the server that follows its events. Calls `apply` with a fetched state, then with each event that came
 * since the fetch began, and again with a newly fetched state after a gap. An event may already be in the state that was fetched.
 *
 * Position first, then the state, then what came after the position: whatever is trimmed meanwhile, nothing is missing in the end.
 *
 * @returns a function that ends it.
 * @example
 * snapshot(client, 'zone_*', () => fetchZones(), (change) => {
 *   if ('state' in change) zones.replace(change.state);
 *   else zones.update(change.event);
 * });
 */
export function snapshot<Events extends object, S extends Selector<Events>, T>(
  client: Client<Events>,
  selector: S | readonly S[],
  fetchState: FetchState<T>,
  apply: Apply<T, ServerEvent<Events, TypesOf<Events, S>>>,
  { signal }: SubscribeOptions = {},
): Off {
  const follower = follow(client, fetchState, apply);
  const ends = [
    client.on(selector, follower.take),
    client.onGap(follower.restart),
    client.onState(({ status }) => status === 'connected' && follower.resume()),
    follower.end,
  ];
  follower.resume();
  return linked(signal, () => {
    for (const end of ends) end();
  });
}

function follow<T, E>(
  client: Pick<Client, 'ready' | 'raise'>,
  fetchState: FetchState<T>,
  apply: Apply<T, E>,
): Follower<E> {
  /** Events since the load began; null: they are applied as they come. */
  let buffer: { readonly event: E; readonly handled: () => void }[] | null = [];
  /** Grows with each gap, and with the end: what was loaded before is of no use. */
  let version = 0;
  let isRunning = false;
  let isOver = false;

  const applied = async (change: { readonly state: T } | { readonly event: E }): Promise<void> => {
    try {
      await apply(change);
    } catch (cause) {
      client.raise(new UnifiedError('HANDLER_FAILED', 'apply threw.', { cause }));
    }
  };

  /** @returns whether it is up to date. */
  const load = async (): Promise<boolean> => {
    const begun = version;
    const state = await fetchState();
    if (begun === version) await applied({ state });
    while (begun === version) {
      const first = buffer?.shift();
      if (!first) {
        buffer = null;
        return true;
      }
      await applied({ event: first.event });
      first.handled();
    }
    return false;
  };

  const run = async (): Promise<void> => {
    let pauseMs = FIRST_PAUSE_MS;
    while (!isOver) {
      // A client that has failed or is closed calls `resume` when it is connected again.
      if (
        !(await client.ready().then(
          () => true,
          () => false,
        ))
      )
        return;
      try {
        if (await load()) return;
      } catch (cause) {
        client.raise(new UnifiedError('SNAPSHOT_FAILED', 'fetchState threw.', { cause }));
        await new Promise<void>((resolve) => setTimer(pauseMs, resolve));
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
