import { connect, type Socket } from 'node:net';

const HEAD_END = '\r\n\r\n';

/**
 * Keep-alive connections that send prepared requests one after the other, each when the previous one was answered. Requests are bytes and
 * answers are barely parsed, so that the driver is not the bottleneck.
 */
export class HttpPool {
  private readonly port: number;
  private readonly free: Socket[] = [];

  constructor(port: number) {
    this.port = port;
  }

  /** Resolves with the status. Opens as many connections as there are pending requests. */
  async send(request: string): Promise<number> {
    let socket = this.free.pop();
    // The node closes connections that were idle for 5 s.
    while (socket && socket.readyState !== 'open') socket = this.free.pop();
    socket ??= connect({ port: this.port, host: '127.0.0.1', noDelay: true }).setMaxListeners(0);
    const status = await answer(socket, request);
    this.free.push(socket);
    return status;
  }

  close(): void {
    for (const socket of this.free) socket.destroy();
  }
}

function answer(socket: Socket, request: string): Promise<number> {
  return new Promise((resolve, reject) => {
    let text = '';
    const onClose = (): void => reject(new Error('the node closed a connection'));
    const onData = (chunk: Buffer): void => {
      text += chunk.toString('latin1');
      const head = text.indexOf(HEAD_END);
      if (head < 0) return;
      const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0);
      if (text.length < head + HEAD_END.length + length) return;
      socket.off('data', onData);
      socket.off('close', onClose);
      socket.off('error', reject);
      resolve(Number(text.slice(9, 12)));
    };
    socket.on('data', onData);
    socket.once('close', onClose);
    socket.once('error', reject);
    socket.write(request);
  });
}

/** The bytes of a POST request. */
export function postRequest(path: string, token: string, body: string): string {
  const lines = [
    `POST ${path} HTTP/1.1`,
    'Host: 127.0.0.1',
    `Authorization: Bearer ${token}`,
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
  ];
  return `${lines.join('\r\n')}${HEAD_END}${body}`;
}
