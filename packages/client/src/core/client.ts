import type { ConnectionState } from './connectionState.js';
import type { Core } from './core.js';
import type { AbortSignalLike } from './environment.js';
import { UnifiedError } from './errors.js';
import { type AnyEvent, type Gap, type Selector, type ServerEvent, selects, type TypesOf } from './events.js';
import { dataOf } from './transport.js';
import type { EventMap } from './types/eventMap.js';
import type { Report } from './types/report.js';
import type { RequestMap, RequestType } from './types/requestMap.js';

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

/** An event is handled when its handlers have returned, and the promises that they returned have resolved. */
export type Handler<E> = (event: E) => unknown;

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

  /** Calls back when events were lost: load again what depends on them. `keepSnapshot` does that by itself. */
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
  /** Hands an error to the `onError` of the application. For layers above. */
  raise(error: UnifiedError): void;
}

interface Subscription {
  readonly selectors: readonly string[];
  readonly handler: Handler<AnyEvent>;
}

/** @returns a function that calls `end`, as the abort of the signal does. */
export function linked(signal: AbortSignalLike | undefined, end: () => void): Off {
  const off = (): void => {
    signal?.removeEventListener('abort', off);
    end();
  };
  signal?.addEventListener('abort', off);
  if (signal?.aborted) off();
  return off;
}

/** @param onError gets what handlers throw, and what the connection goes on in spite of. Must not throw. */
export function createClientOf<Events extends object>(
  core: Core,
  onError: (error: UnifiedError) => void,
): Client<Events> {
  const { listen, select, request, ...shared } = core;
  const subscriptions = new Set<Subscription>();
  const stateListeners = new Set<(state: ConnectionState) => void>();
  const gapListeners = new Set<(gap: Gap) => void>();

  const handlerFailed = (cause: unknown): void =>
    onError(new UnifiedError('HANDLER_FAILED', 'A handler threw.', { cause }));

  /** @returns a promise if there is something to wait for. It never rejects. */
  const call = <T>(handler: (value: T) => unknown, value: T): Promise<unknown> | undefined => {
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

  const declare = (): void => {
    select([...new Set([...subscriptions].flatMap(({ selectors }) => selectors))]);
  };

  const on = (
    selector: string | readonly string[],
    handler: Handler<AnyEvent>,
    options: SubscribeOptions = {},
  ): Off => {
    const remove = add(subscriptions, { selectors: [selector].flat(), handler });
    declare();
    core.connect();
    return linked(options.signal, () => {
      remove();
      declare();
    });
  };

  const onState = (listener: (state: ConnectionState) => void): Off => add(stateListeners, listener);
  const onGap = (listener: (gap: Gap) => void): Off => add(gapListeners, listener);

  listen({
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
    ...shared,
    raise: onError,
    get state() {
      return core.getState();
    },
    onState,
    onGap,
    on,
    request(type: string, data: object = {}, { signal, timeoutMs = 10_000 }: RequestOptions = {}) {
      return new Promise((resolve, reject) => {
        const off = linked(signal, () => reject(signal?.reason));
        request(type, data, timeoutMs).then(resolve, reject).finally(off);
      });
    },
  };
  // Types of events exist for the compiler alone.
  return client as unknown as Client<Events>;
}
