import type { ConnectionState } from './connectionState.js';
import type { CoreLike } from './core.js';
import type { AbortSignalLike, Environment } from './environment.js';
import { UnifiedError } from './errors.js';
import type { EventMap } from './eventMap.js';
import { EventStream } from './eventStream.js';
import type { AnyEvent, Gap, Selector, ServerEvent, TypesOf } from './events.js';
import { selects } from './events.js';
import type { Report } from './journal.js';
import type { RequestMap, RequestType } from './requestMap.js';
import { type Apply, type FetchState, Snapshot } from './snapshot.js';

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
  Record<string, never> extends RequestMap[T]['data']
    ? [data?: RequestMap[T]['data'], options?: RequestOptions]
    : [data: RequestMap[T]['data'], options?: RequestOptions];

interface Subscription {
  readonly selectors: readonly string[];
  readonly handler: Handler<AnyEvent>;
}

/** What an application holds: handlers, state and requests of one user. */
export class Client<Events extends object = EventMap> {
  private readonly core: CoreLike;
  private readonly environment: Environment;
  private readonly takeError: (error: UnifiedError) => void;
  private readonly subscriptions = new Set<Subscription>();
  private readonly stateListeners = new Set<(state: ConnectionState) => void>();
  private readonly gapListeners = new Set<(gap: Gap) => void>();
  private readonly streams = new Set<Off>();

  /** @param onError gets what handlers throw, and what the connection goes on in spite of. */
  constructor(core: CoreLike, environment: Environment, onError: (error: UnifiedError) => void) {
    this.core = core;
    this.environment = environment;
    this.takeError = onError;
    core.listen({
      onState: (state) => {
        this.tell(this.stateListeners, state);
        if (state.status === 'closed') for (const end of [...this.streams]) end();
      },
      onEvent: (event) => this.deliver(event),
      onGap: (gap) => this.tell(this.gapListeners, gap),
      onError,
    });
  }

  /** The same object until it changes: `useSyncExternalStore(client.onState, client.getState)`. */
  get state(): ConnectionState {
    return this.core.state;
  }

  readonly getState = (): ConnectionState => this.core.state;

  /** Calls back after each change of state. */
  readonly onState = (listener: (state: ConnectionState) => void): Off => add(this.stateListeners, listener);

  /** Calls back when events were lost: load again what depends on them. `snapshot` does that by itself. */
  readonly onGap = (listener: (gap: Gap) => void): Off => add(this.gapListeners, listener);

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
    { signal }: SubscribeOptions = {},
  ): Off {
    if (signal?.aborted) return () => undefined;
    const selectors = typeof selector === 'string' ? [selector] : selector;
    const subscription: Subscription = { selectors, handler: handler as Handler<AnyEvent> };
    this.subscriptions.add(subscription);
    this.select();
    this.core.connect();
    const off = (): void => {
      signal?.removeEventListener('abort', off);
      if (this.subscriptions.delete(subscription)) this.select();
    };
    signal?.addEventListener('abort', off);
    return off;
  }

  /**
   * The events as an async iterator, from this call on. An event counts as handled when the next one is asked for, or the loop is left.
   * The loop ends with the signal, and with `close`.
   *
   * @example
   * for await (const event of client.events('zone_*')) console.log(event.type, event.data);
   */
  events<S extends Selector<Events>>(
    selector: S | readonly S[],
    options: SubscribeOptions = {},
  ): AsyncIterableIterator<ServerEvent<Events, TypesOf<Events, S>>> {
    const stream = new EventStream<ServerEvent<Events, TypesOf<Events, S>>>((take) => {
      const off = this.on(selector, take);
      return () => {
        options.signal?.removeEventListener('abort', stream.end);
        this.streams.delete(stream.end);
        off();
      };
    });
    this.streams.add(stream.end);
    options.signal?.addEventListener('abort', stream.end);
    if (options.signal?.aborted) stream.end();
    return stream;
  }

  /**
   * A copy of a state of the server that follows its events. Calls `apply` with a fetched state, then with each event that came since
   * the fetch began, and again with a newly fetched state after a gap. An event may already be in the state that was fetched.
   *
   * @returns a function that ends it.
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
    { signal }: SubscribeOptions = {},
  ): Off {
    const snapshot = new Snapshot<T, ServerEvent<Events, TypesOf<Events, S>>>(fetchState, apply, {
      ready: () => this.core.ready(),
      pause: (ms) => new Promise((resolve) => this.environment.setTimer(ms, resolve)),
      onError: (code, error) => this.fault(code, error),
    });
    const ends = [
      this.onGap(() => snapshot.restart()),
      this.onState(({ status }) => status === 'connected' && snapshot.resume()),
      this.on(selector, (event) => snapshot.take(event)),
    ];
    const off = (): void => {
      signal?.removeEventListener('abort', off);
      snapshot.end();
      for (const end of ends) end();
    };
    signal?.addEventListener('abort', off);
    if (signal?.aborted) off();
    else snapshot.restart();
    return off;
  }

  /**
   * Sends a request and resolves with the data of the reply. Waits for a connection.
   *
   * @throws RequestError when the server refuses it, NoReplyError when it is not known whether it took effect, UnifiedError CLOSED.
   * @example
   * const { node_id } = await client.request('get_connection_status');
   */
  request<T extends RequestType>(type: T, ...args: RequestArguments<T>): Promise<RequestMap[T]['reply']> {
    const [data = {}, { signal, timeoutMs = 10_000 } = {}] = args;
    const reply = this.core.request(type, data, timeoutMs) as Promise<RequestMap[T]['reply']>;
    if (!signal) return reply;
    return new Promise((resolve, reject) => {
      const abort = (): void => reject(signal.reason);
      if (signal.aborted) abort();
      signal.addEventListener('abort', abort);
      reply.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
    });
  }

  /** Connects, if nothing has yet. Handlers and requests do so by themselves. */
  connect(): void {
    this.core.connect();
  }

  /** Resolves when connected, and subscribed to what the handlers select. @throws UnifiedError CLOSED */
  ready(): Promise<void> {
    return this.core.ready();
  }

  /** Begins anew after `failed`. Otherwise tries at once what is waiting for its time. */
  reconnect(): void {
    this.core.reconnect();
  }

  /** Ends the connection for good. */
  close(): void {
    this.core.close();
  }

  /** As `close`, and forgets the positions: the next user of this device starts anew. */
  logout(): void {
    this.core.logout();
  }

  /** The last changes of state, and counts. No token, no payload. */
  report(): Report {
    return this.core.report();
  }

  private select(): void {
    this.core.select([...new Set([...this.subscriptions].flatMap(({ selectors }) => selectors))]);
  }

  private deliver(event: AnyEvent): void | Promise<void> {
    const waiting: Promise<void>[] = [];
    for (const { selectors, handler } of [...this.subscriptions]) {
      if (!selectors.some((selector) => selects(selector, event.type))) continue;
      try {
        const handling = handler(event);
        if (handling) waiting.push(handling.catch((error: unknown) => this.fault('HANDLER_FAILED', error)));
      } catch (error) {
        this.fault('HANDLER_FAILED', error);
      }
    }
    if (waiting.length > 0) return Promise.all(waiting).then(() => undefined);
  }

  private tell<T>(listeners: ReadonlySet<(value: T) => void>, value: T): void {
    for (const listener of [...listeners]) {
      try {
        listener(value);
      } catch (error) {
        this.fault('HANDLER_FAILED', error);
      }
    }
  }

  private fault(code: 'HANDLER_FAILED' | 'SNAPSHOT_FAILED', cause: unknown): void {
    const message = code === 'HANDLER_FAILED' ? 'A handler threw.' : 'fetchState threw; it is called again.';
    this.takeError(new UnifiedError({ code, message }, cause));
  }
}

function add<T>(listeners: Set<T>, listener: T): Off {
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
  };
}
