import { randomBytes, randomUUID } from 'node:crypto';

/** An event type that every user may see and is subscribed to by default. */
export const EVENT_TYPE = 'system_status';
/** Bytes of the event's data as JSON. */
const DATA_BYTES = 200;
/** Room for the time in `"sent":`, blanks before it. */
const SENT_DIGITS = 14;

/** Data of DATA_BYTES bytes that holds when it was due. */
export function eventData(sent: number): { sent: number; text: string } {
  const rounded = Math.round(sent * 1000) / 1000;
  const rest = DATA_BYTES - JSON.stringify({ sent: rounded, text: '' }).length;
  return { sent: rounded, text: 'x'.repeat(Math.max(0, rest)) };
}

/** An event as it lies in the log. */
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

/** The message that our clients see for an event; the servers beside us send the same bytes. */
export function wireMessage(sent: number): Record<string, unknown> {
  const { id, type, data, timestamp, priority, category, severity } = storedEvent(sent);
  const position = `${POSITION_EPOCH}.${100_000}.${POSITION_TAG}`;
  return { type, data, timestamp, id, priority, category, severity, scope: 'broadcast', position };
}

const POSITION_EPOCH = randomBytes(9).toString('base64url');
const POSITION_TAG = randomBytes(6).toString('base64url');

/** The same with a place for the time, for a program that overwrites it. */
export function wireTemplate(): string {
  const text = JSON.stringify(wireMessage(1));
  const shorter = SENT_DIGITS - '1'.length;
  return text.replace('"sent":1,', `"sent":${'1'.padStart(SENT_DIGITS)},`).replace('x'.repeat(shorter), '');
}
