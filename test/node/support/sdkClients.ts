import { type Client, type ClientOptions, createClient, type UnifiedError } from '@unified-ws/client';
import { WebSocket } from 'ws';
import { adminToken, token } from '../../support/tokens.js';

/** Nobody listens there. */
const NOWHERE = 'ws://127.0.0.1:1';

/** A node as a client reaches it. */
interface Reachable {
  readonly ws: string;
}

/** A client with what it was told in the meantime. */
export interface SdkClient {
  readonly client: Client;
  readonly errors: UnifiedError[];
  /** Its WebSockets, in the order in which they were opened. */
  readonly sockets: WebSocket[];
  /** Where its next connection leads; null: nowhere. */
  node: Reachable | null;
  /** Ends the present connection without a close frame, and lets no other one begin until `node` is set. */
  cut(): void;
}

/** Makes clients of the SDK, and ends them. */
export class SdkClients {
  private readonly clients: Client[] = [];

  make(node: Reachable, user: string, options: Partial<ClientOptions> = {}): SdkClient {
    const errors: UnifiedError[] = [];
    const sockets: WebSocket[] = [];
    class RoutedSocket extends WebSocket {
      constructor(url: string, protocols: string[]) {
        super(url.replace(/^ws:\/\/balancer/, sdk.node?.ws ?? NOWHERE), protocols);
        sockets.push(this);
      }
    }
    const client = createClient({
      url: 'ws://balancer/api/unified/ws',
      getToken: () => token(user),
      onError: (error) => errors.push(error),
      WebSocket: RoutedSocket,
      ...options,
    });
    const sdk: SdkClient = {
      client,
      errors,
      sockets,
      node,
      cut() {
        sdk.node = null;
        sockets.at(-1)?.terminate();
      },
    };
    this.clients.push(client);
    return sdk;
  }

  close(): void {
    for (const client of this.clients.splice(0)) client.close();
  }
}

/** Publishes as a backend does. Resolves when the event is accepted. */
export async function publish(
  { http }: { readonly http: string },
  eventType: string,
  data: object,
  more: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const response = await fetch(`${http}/api/unified/ws/events`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${adminToken()}`, 'Content-Type': 'application/json' },
    body: JSON.stringify({ event_type: eventType, data, ...more }),
  });
  if (response.status !== 202) throw new Error(`${response.status} ${await response.text()}`);
  await response.arrayBuffer();
}
