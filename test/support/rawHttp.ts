import { connect } from 'node:net';

/** An answer as received. */
export interface RawAnswer {
  readonly status: number;
  /** Names in lower case. Of repeated headers the last. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

export interface RawHttpOptions {
  readonly timeoutMs: number;
  /** The request is shorter than it announces; nothing more is sent, and there may be no answer. */
  readonly unfinished: boolean;
}

/**
 * Writes bytes to a port and reads until the other side closes: for requests that no HTTP client would send. They must contain
 * `Connection: close`, unless they cannot be parsed.
 *
 * @returns null when the connection ended without an answer.
 * @throws Error when it did not end in time.
 */
export async function rawHttp(port: number, bytes: Buffer, options: RawHttpOptions): Promise<RawAnswer | null> {
  const chunks: Buffer[] = [];
  const socket = connect({ port, host: '127.0.0.1' });
  const ended = new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`no answer within ${options.timeoutMs} ms`));
    }, options.timeoutMs);
    socket.on('close', () => {
      clearTimeout(timer);
      resolve();
    });
  });
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  // A server that answers and closes while more is being written resets the connection. Its answer still counts.
  socket.on('error', () => socket.destroy());
  if (options.unfinished) socket.end(bytes);
  else socket.write(bytes);
  await ended;
  return answerOf(Buffer.concat(chunks));
}

function answerOf(bytes: Buffer): RawAnswer | null {
  const end = bytes.indexOf('\r\n\r\n');
  if (end === -1) return null;
  const [first = '', ...lines] = bytes.toString('latin1', 0, end).split('\r\n');
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(first)?.[1] ?? 0);
  const rest = bytes.subarray(end + 4);
  // `Expect: 100-continue`: the final answer follows it.
  if (status === 100) return answerOf(rest);
  const headers = new Map(
    lines.map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
  const body = headers.get('transfer-encoding') === 'chunked' ? unchunked(rest) : rest;
  return { status, headers, body: body.toString() };
}

function unchunked(bytes: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; ; ) {
    const end = bytes.indexOf('\r\n', at);
    const length = Number.parseInt(bytes.toString('latin1', at, Math.max(at, end)), 16);
    if (!(length > 0)) return Buffer.concat(parts);
    parts.push(bytes.subarray(end + 2, end + 2 + length));
    at = end + 4 + length;
  }
}
