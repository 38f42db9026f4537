import {
  type Apply,
  type ClientOptions,
  type Client as CoreClient,
  createClient as createCoreClient,
  type EventMap,
  events,
  type FetchState,
  type Off,
  type Selector,
  type ServerEvent,
  type SubscribeOptions,
  snapshot,
  type TypesOf,
} from './core/index.js';

export * from './core/index.js';

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
export function createClient<Events extends object = EventMap>(options: ClientOptions): Client<Events> {
  const client = createCoreClient<Events>(options);
  const more: Pick<Client<Events>, 'events' | 'snapshot'> = {
    events: (...rest) => events(client, ...rest),
    snapshot: (...rest) => snapshot(client, ...rest),
  };
  return Object.assign(client, more);
}
