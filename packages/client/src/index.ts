import {
  type Apply,
  type ClientOptions,
  type Client as CoreClient,
  createClientOf,
  createCore,
  defaultEnvironment,
  type EventMap,
  errorHandler,
  events,
  type FetchState,
  type Off,
  type Selector,
  type ServerEvent,
  type SubscribeOptions,
  snapshot,
  type TypesOf,
} from './core/index.js';
import { canShare, createTabCore } from './tabs/tabCore.js';

export * from './core/index.js';

/** Those of the core, and what is said of tabs. */
export interface TabClientOptions extends ClientOptions {
  /**
   * Whether all tabs of one profile and user share one connection. Users are told apart by the claim `sub` of the token; a
   * tab whose token has none is alone. After another device took the connection (`failed`, `replaced`), `reconnect()` in any tab takes
   * it back for all. Default: true in pages that have Web Locks (a secure context), else false.
   */
  readonly tabs?: boolean;
}

/** What an application holds: that of the core, and what is built on it. */
export interface Client<Events extends object = EventMap> extends CoreClient<Events> {
  /** As `events` of the core. */
  events<S extends Selector<Events>>(
    selector: S | readonly S[],
    options?: SubscribeOptions,
  ): AsyncIterableIterator<ServerEvent<Events, TypesOf<Events, S>>>;
  /** As `snapshot` of the core. */
  snapshot<S extends Selector<Events>, T>(
    selector: S | readonly S[],
    fetchState: FetchState<T>,
    apply: Apply<T, ServerEvent<Events, TypesOf<Events, S>>>,
    options?: SubscribeOptions,
  ): Off;
}

/**
 * Makes a client of one user. It connects with the first handler, request or `connect()`.
 *
 * @typeParam Events event types with the type of their data. Default: those of the catalogue of this repository.
 * @example
 * const client = createClient({ url: 'wss://example.com/api/unified/ws', getToken: () => fetchToken() });
 * client.on('health_update', (event) => console.log(event.data));
 */
export function createClient<Events extends object = EventMap>({
  tabs = true,
  ...options
}: TabClientOptions): Client<Events> {
  const environment = defaultEnvironment(options.WebSocket);
  const core = tabs && canShare() ? createTabCore(options, environment) : createCore(options, environment);
  const client = createClientOf<Events>(core, errorHandler(options, environment));
  const more: Pick<Client<Events>, 'events' | 'snapshot'> = {
    events: (...rest) => events(client, ...rest),
    snapshot: (...rest) => snapshot(client, ...rest),
  };
  return Object.assign(client, more);
}
