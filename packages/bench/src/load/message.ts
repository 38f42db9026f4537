import { randomBytes, randomUUID } from 'node:crypto';

/** An event type that every user may see and is subscribed to by default. */
export const EVENT_TYPE = 'system_status';
/** Bytes of the event's data as JSON. */
const DATA_BYTES = 200;
/** Characters for the time in `"sent":`, padded with blanks in front. */
const SENT_DIGITS = 14;

/** Data of DATA_BYTES bytes that contains the due time. */
export function eventData(sent: number): { sent: number; text: string } {
  const rounded = Math.round(sent * 1000) / 1000;
  const rest = DATA_BYTES - JSON.stringify({ sent: rounded, text: '' }).length;
  return { sent: rounded, text: 'x'.repeat(Math.max(0, rest)) };
}

/** An event as the log stores it. */
export function storedEvent(sent: number) {
  return {
    id: randomUUID(),
    type: EVENT_TYPE,
    data: eventData(sent),
    timestamp: new Date().toISOString(),
    priority: 'normal',
    category: 'health',
    severity: 'info',
  } as const;
}

/** The message that our clients receive for an event. The compared servers send the same bytes. */
export function wireMessage(sent: number): Record<string, unknown> {
  const { id, type, data, timestamp, priority, category, severity } = storedEvent(sent);
  const position = `${POSITION_EPOCH}.${100_000}.${POSITION_TAG}`;
  return { type, data, timestamp, id, priority, category, severity, scope: 'broadcast', position };
}

const POSITION_EPOCH = randomBytes(9).toString('base64url');
const POSITION_TAG = randomBytes(6).toString('base64url');

/** The same message with a placeholder for the time, for a program that overwrites it. */
export function wireTemplate(): string {
  const text = JSON.stringify(wireMessage(1));
  const shorter = SENT_DIGITS - '1'.length;
  return text.replace('"sent":1,', `"sent":${'1'.padStart(SENT_DIGITS)},`).replace('x'.repeat(shorter), '');
}
