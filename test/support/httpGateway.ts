import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request on its way to the node. */
export interface GatewayRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: string;
  /** Monotonic ms when it was read. */
  readonly at: number;
}

/**
 * What becomes of a request. `pass`: the node answers. `cut`: the connection ends before the node gets it. `cut_answer`: the node gets it,
 * and the connection ends before its answer. `hold`: the node gets it, and its answer never comes. Else: this answer; `afterNode`: the
 * node gets the request all the same.
 */
export type GatewayFault =
  | 'pass'
  | 'cut'
  | 'cut_answer'
  | 'hold'
  | {
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: unknown;
      readonly afterNode?: boolean;
    };

/** Sits between clients and a node, like a balancer, and fails like one. */
export class HttpGateway {
  readonly requests: GatewayRequest[] = [];
  /** Called for each request. */
  fault: (request: GatewayRequest) => GatewayFault = () => 'pass';
  private readonly server: Server;
  private readonly target: () => number;

  private constructor(server: Server, target: () => number) {
    this.server = server;
    this.target = target;
  }

  /**
   * @param target the port of the node, read at each request.
   * @param port of the gateway itself; default: a free one.
   */
  static async start(target: () => number, port = 0): Promise<HttpGateway> {
    const server = createServer();
    const gateway = new HttpGateway(server, target);
    server.on('request', (incoming: IncomingMessage, response: ServerResponse) => {
      gateway.serve(incoming, response).catch(() => incoming.socket.destroy());
    });
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return gateway;
  }

  get http(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }

  private async serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const { method = 'GET', url: path = '/', headers } = incoming;
    const received = { method, path, headers, body: Buffer.concat(chunks).toString(), at: performance.now() };
    this.requests.push(received);
    const fault = this.fault(received);
    if (fault === 'cut') {
      incoming.socket.destroy();
      return;
    }
    if (typeof fault === 'object') {
      if (fault.afterNode) await this.ask(received);
      response.writeHead(fault.status, { 'content-type': 'application/problem+json', ...fault.headers });
      response.end(JSON.stringify(fault.body ?? {}));
      return;
    }
    const answer = await this.ask(received);
    if (fault === 'hold') return;
    if (fault === 'cut_answer') {
      incoming.socket.destroy();
      return;
    }
    response.writeHead(answer.status, answer.headers);
    response.end(answer.body);
  }

  private async ask({ method, path, headers, body }: GatewayRequest): Promise<{
    readonly status: number;
    readonly headers: Record<string, string | string[] | undefined>;
    readonly body: Buffer;
  }> {
    const sent = request({ host: '127.0.0.1', port: this.target(), method, path, headers: { ...headers } as never });
    sent.end(body);
    const [answer] = (await once(sent, 'response')) as [IncomingMessage];
    const chunks: Buffer[] = [];
    for await (const chunk of answer) chunks.push(chunk as Buffer);
    return { status: answer.statusCode ?? 502, headers: answer.headers, body: Buffer.concat(chunks) };
  }
}
