import { once } from 'node:events';
import net from 'node:net';

async function listen(port, host) {
  const server = net.createServer();
  // exclusive: the question is about the port itself, not about sharing it inside node:cluster.
  server.listen({ port, host, exclusive: true });
  await once(server, 'listening');
  const { port: given } = server.address();
  server.close();
  await once(server, 'close');
  return given;
}

/** A port of 127.0.0.1 that nobody listens on now. */
export function freePort() {
  return listen(0, '127.0.0.1');
}

/** Why nothing can listen there (EADDRINUSE, EACCES, ...); undefined when it can. */
export async function whyPortIsTaken(port, host) {
  try {
    await listen(port, host);
    return undefined;
  } catch (error) {
    return error.code ?? String(error);
  }
}
