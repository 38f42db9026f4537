import type { ServerResponse } from 'node:http';

/** Ends the response with JSON. Its status and its other headers are set before. */
export function answer(response: ServerResponse, body: unknown, type = 'application/json; charset=utf-8'): void {
  const text = JSON.stringify(body);
  response.setHeader('Content-Type', type);
  response.setHeader('Content-Length', Buffer.byteLength(text));
  response.end(text);
}
