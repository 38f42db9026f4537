import { type Client, createClientOf } from './client.js';
import { createCore } from './core.js';
import { defaultEnvironment, type Environment } from './environment.js';
import type { UnifiedError } from './errors.js';
import type { EventMap } from './types/eventMap.js';
import type { CoreOptions } from './types/options.js';

export interface ClientOptions extends CoreOptions {
  /**
   * Gets what handlers throw, and what the connection goes on in spite of: an unavailable token, a refused subscription. Default: logs
   * it to the console.
   */
  readonly onError?: (error: UnifiedError) => void;
}

/** An error in the handling of an error is logged: there is nobody else to tell. */
export function errorHandler({ onError }: ClientOptions, environment: Environment): (error: UnifiedError) => void {
  const log = (error: unknown): void => environment.log('error', String(error), error);
  return (error) => {
    try {
      (onError ?? log)(error);
    } catch (failure) {
      log(failure);
    }
  };
}

/**
 * Makes a client of one user. It connects with the first handler, request or `connect()`.
 *
 * @typeParam Events event types with the type of their data. Default: those of the catalogue of this repository.
 * @example
 * const client = createClient({ url: 'wss://example.com/api/unified/ws', getToken: () => fetchToken() });
 * client.on('health_update', (event) => console.log(event.data));
 */
export function createClient<Events extends object = EventMap>(
  options: ClientOptions,
  environment: Environment = defaultEnvironment(options.WebSocket),
): Client<Events> {
  return createClientOf<Events>(createCore(options, environment), errorHandler(options, environment));
}
