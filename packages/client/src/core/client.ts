import type { ConnectionState } from './connectionState.js';
import type { Core } from './core.js';
import type { AbortSignalLike, Environment } from './environment.js';
import { UnifiedError } from './errors.js';
import type { EventMap } from './eventMap.js';
import { eventStream } from './eventStream.js';
import { type AnyEvent, type Gap, type Selector, type ServerEvent, selects, type TypesOf } from './events.js';
import type { Report } from './report.js';
import type { RequestMap, RequestType } from './requestMap.js';
import { type Apply, type FetchState, keepSnapshot } from './snapshot.js';
import { dataOf } from './transport.js';

export interface SubscribeOptions {
  /** Aborting it ends the subscription. */
  readonly signal?: AbortSignalLike;
}

export interface RequestOptions {
  /** Rejects with the reason of the signal; the request may have been sent. */
  readonly signal?: AbortSignalLike;
  /** Time for the reply, the wait for a connection included, milliseconds. Default 10,000. */
  readonly timeoutMs?: number;
}

/** An event is handled when its handlers have returned, and their promises have resolved. */
export type Handler<E> = (event: E) => void | Promise<void>;

/** Ends what it came from. Calling it again changes nothing. */
export type Off = () => void;

type RequestArguments<T extends RequestType> =
  Readonly<Record<string, never>> extends RequestMap[T]['data']
    ? [data?: RequestMap[T]['data'], options?: RequestOptions]
    : [data: RequestMap[T]['data'], options?: RequestOptions];

/** What an application holds: handlers, state and requests of one user. All methods can be called without `this`. */
export interface Client<Events extends object = EventMap> {
  /** The same object until it changes: `useSyncExternalStore(client.onState, client.getState)`. */
  readonly state: ConnectionState;
  getState(): ConnectionState;
  /** Calls back after each change of state. */
  onState(listener: (state: ConnectionState) => void): Off;

  /** Calls back when events were lost: load again what depends on them. `snapshot` does that by itself. */
  onGap(listener: (gap: Gap) => void): Off;

  /**
   * Calls the handler for each event of a type, or of all types that a pattern names. Connects, and subscribes on the server. A
   * pattern follows the catalogue of the server.
   *
   * @example
   * const off = client.on('health_update', (event) => console.log(event.data));
   */
  on<S extends Selector<Events>>(
    selector: S | readonly S[],
    handler: Handler<ServerEvent<Events, TypesOf<Events, S>>>,
    options?: SubscribeOptions,
  ): Off;

  /**
   * The events as an async iterator, from this call on. An event is handled when the next one is asked for, or the loop is left. The
   * loop ends with the signal, and with `close`.
   *
   * @example
   * for await (const event of client.events('zone_*')) console.log(event.type, event.data);
   */
  events<S extends Selector<Events>>(
    selector: S | readonly S[],
    options?: SubscribeOptions,
  ): AsyncIterableIterator<ServerEvent<Events, TypesOf<Events, S>>>;

  /**
   * A copy of a state of the server that follows its events. Calls `apply` with a fetched state, then with each event that came since
   * the fetch began, and again with a newly fetched state after a gap. An event may already be in the state that was fetched.
   *
   * @example
   * client.snapshot('zone_*', () => fetchZones(), (change) => {
   *   if ('state' in change) zones.replace(change.state);
   *   else zones.update(change.event);
   * });
   */
  snapshot<S extends Selector<Events>, T>(
    selector: S | readonly S[],
    fetchState: FetchState<T>,
    apply: Apply<T, ServerEvent<Events, TypesOf<Events, S>>>,
    options?: SubscribeOptions,
  ): Off;

  /**
   * Sends a request and resolves with the data of the reply. Waits for a connection.
   *
   * @throws RequestError when the server refuses it, NoReplyError when it is not known whether it took effect, UnifiedError CLOSED.
   * @example
   * const { node_id } = await client.request('get_connection_status');
   */
  request<T extends RequestType>(type: T, ...args: RequestArguments<T>): Promise<RequestMap[T]['reply']>;

  /** Connects, if nothing has yet. Handlers and requests do so by themselves. */
  connect(): void;
  /** Resolves when connected, and subscribed to what the handlers select. @throws UnifiedError CLOSED */
  ready(): Promise<void>;
  /** Begins anew after `failed`. Otherwise tries at once what is waiting for its time. */
  reconnect(): void;
  /** Ends the connection for good. */
  close(): void;
  /** As `close`, and forgets the positions: the next user of this device starts anew. */
  logout(): void;
  /** The last changes of state, and counts. No token, no payload. */
  report(): Report;
}

interface Subscription {
  readonly selectors: readonly string[];
  readonly handler: Handler<AnyEvent>;
}

/** @param onError gets what handlers throw, and what the connection goes on in spite of. Must not throw. */
export function createClientOf<Events extends object>(
  core: Core,
  environment: Environment,
  onError: (error: UnifiedError) => void,
): Client<Events> {
  const subscriptions = new Set<Subscription>();
  const stateListeners = new Set<(state: ConnectionState) => void>();
  const gapListeners = new Set<(gap: Gap) => void>();

  const handlerFailed = (cause: unknown): void =>
    onError(new UnifiedError('HANDLER_FAILED', 'A handler threw.', { cause }));

  /** @returns a promise if there is something to wait for. It never rejects. */
  const call = <T>(handler: (value: T) => void | Promise<void>, value: T): Promise<void> | void => {
    try {
      const handling = handler(value);
      // A handler may return anything, such as what `push` returns.
      if (dataOf(handling).then) return Promise.resolve(handling).catch(handlerFailed);
    } catch (error) {
      handlerFailed(error);
    }
    return undefined;
  };

  const add = <T>(listeners: Set<T>, listener: T): Off => {
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
    };
  };

  /** `end` is called by the function that this returns, or by the signal. */
  const linked = (signal: AbortSignalLike | undefined, end: () => void): Off => {
    const off = (): void => {
      signal?.removeEventListener('abort', off);
      end();
    };
    signal?.addEventListener('abort', off);
    if (signal?.aborted) off();
    return off;
  };

  const select = (): void => {
    core.select([...new Set([...subscriptions].flatMap(({ selectors }) => selectors))]);
  };

  const on = (
    selector: string | readonly string[],
    handler: Handler<AnyEvent>,
    options: SubscribeOptions = {},
  ): Off => {
    const remove = add(subscriptions, { selectors: [selector].flat(), handler });
    select();
    core.connect();
    return linked(options.signal, () => {
      remove();
      select();
    });
  };

  const onState = (listener: (state: ConnectionState) => void): Off => add(stateListeners, listener);
  const onGap = (listener: (gap: Gap) => void): Off => add(gapListeners, listener);

  core.listen({
    onState(state) {
      for (const listener of [...stateListeners]) call(listener, state);
    },
    onGap(gap) {
      for (const listener of [...gapListeners]) call(listener, gap);
    },
    onEvent(event) {
      const waiting = [...subscriptions]
        .filter(({ selectors }) => selectors.some((selector) => selects(selector, event.type)))
        .map(({ handler }) => call(handler, event))
        .filter((handling) => handling !== undefined);
      return waiting.length > 0 ? Promise.all(waiting).then(() => undefined) : undefined;
    },
    onError,
  });

  const client = {
    get state() {
      return core.state;
    },
    getState: () => core.state,
    onState,
    onGap,
    on,
    events(selector: string | readonly string[], { signal }: SubscribeOptions = {}) {
      const ends: Off[] = [];
      const stream = eventStream<AnyEvent>(() => {
        for (const end of ends) end();
      });
      ends.push(on(selector, stream.take));
      ends.push(onState(({ status }) => status === 'closed' && stream.end()));
      ends.push(linked(signal, stream.end));
      return stream.iterator;
    },
    snapshot(
      selector: string | readonly string[],
      fetchState: FetchState<unknown>,
      apply: Apply<unknown, AnyEvent>,
      { signal }: SubscribeOptions = {},
    ) {
      const snapshot = keepSnapshot<unknown, AnyEvent>(fetchState, (change) => call(apply, change), {
        ready: core.ready,
        pause: (ms) => new Promise((resolve) => environment.setTimer(ms, resolve)),
        onError: (cause) => onError(new UnifiedError('SNAPSHOT_FAILED', 'fetchState threw.', { cause })),
      });
      const ends = [
        on(selector, snapshot.take),
        onGap(snapshot.restart),
        onState(({ status }) => status === 'connected' && snapshot.resume()),
        snapshot.end,
      ];
      snapshot.resume();
      return linked(signal, () => {
        for (const end of ends) end();
      });
    },
    request(type: string, data: object = {}, { signal, timeoutMs = 10_000 }: RequestOptions = {}) {
      return new Promise((resolve, reject) => {
        const off = linked(signal, () => reject(signal?.reason));
        core.request(type, data, timeoutMs).then(resolve, reject).finally(off);
      });
    },
    connect: core.connect,
    ready: core.ready,
    reconnect: core.reconnect,
    close: core.close,
    logout: core.logout,
    report: core.report,
  };
  // Types of events exist for the compiler alone.
  return client as unknown as Client<Events>;
}
