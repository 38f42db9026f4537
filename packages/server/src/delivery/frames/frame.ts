/**
 * One unfragmented WebSocket text frame, unmasked as servers send them (RFC 6455 §5.2). Built once and written to many sockets:
 * a written buffer is never changed again.
 */
export function textFrame(text: string): Buffer {
  const length = Buffer.byteLength(text);
  const header = length < 126 ? 2 : length < 65536 ? 4 : 10;
  const frame = Buffer.allocUnsafe(header + length);
  frame[0] = 0x81;
  if (header === 2) {
    frame[1] = length;
  } else if (header === 4) {
    frame[1] = 126;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = 127;
    frame.writeUInt32BE(Math.floor(length / 2 ** 32), 2);
    frame.writeUInt32BE(length >>> 0, 6);
  }
  frame.write(text, header, 'utf8');
  return frame;
}

/** The frame of a message that is no event. */
export function messageFrame(type: string, data: unknown, timestamp: string, replyTo?: string): Buffer {
  return textFrame(
    JSON.stringify(replyTo === undefined ? { type, data, timestamp } : { type, data, timestamp, reply_to: replyTo }),
  );
}

/**
 * A sign of life with the position of a connection.
 *
 * @param now wall clock, ms.
 * @param broadcast what was written of the log; `user`: of the mailbox. Null leaves what the client has.
 * @param healthy as `health_check` would answer.
 */
export function heartbeatFrame(now: number, broadcast: string | null, user: string | null, healthy: boolean): Buffer {
  const time = new Date(now).toISOString();
  const data = { server_time: time, positions: { broadcast, user }, connection_healthy: healthy };
  return messageFrame('heartbeat', data, time);
}
