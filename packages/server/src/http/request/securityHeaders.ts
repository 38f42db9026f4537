import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import helmet from 'helmet';

type Header = readonly [name: string, value: number | string | readonly string[]];

/** Keeps the headers that are set. */
class Recorder extends ServerResponse {
  readonly headers: Header[] = [];

  override setHeader(...header: Header): this {
    this.headers.push(header);
    return this;
  }
}

/** Helmet's headers. They are the same for every answer, so its fifteen middlewares run once, at start. */
export function securityHeaders(): readonly Header[] {
  const request = new IncomingMessage(new Socket());
  const response = new Recorder(request);
  helmet()(request, response, (error) => {
    if (error !== undefined) throw error;
  });
  return response.headers;
}
