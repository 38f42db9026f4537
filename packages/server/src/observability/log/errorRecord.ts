/** An error in the log: only these fields. A library's error has more, such as the arguments of its command. */
export interface ErrorRecord {
  readonly type: string;
  readonly message: string;
  readonly code?: string | number;
  /** Name of the Redis command that failed, never its arguments. */
  readonly command?: string;
  readonly stack?: string;
  readonly cause?: ErrorRecord;
  /** The first few errors of an AggregateError. */
  readonly errors?: readonly ErrorRecord[];
}

const MAX_MESSAGE_LENGTH = 1000;
const MAX_DEPTH = 4;
const MAX_ERRORS = 3;
const FRAME = /^ {4}at /;

/** Converts anything thrown into a record. `scrub` removes known secrets from its texts. */
export function errorRecord(thrown: unknown, scrub: (text: string) => string = same, depth = 0): ErrorRecord {
  const message = scrub(messageOf(thrown));
  if (!(thrown instanceof Error)) return { type: typeof thrown, message };
  const type = scrub(typeof thrown.name === 'string' ? thrown.name.slice(0, 64) : 'Error');
  const { code, command, cause, lastNodeError, errors } = thrown as Error & Readonly<Record<string, unknown>>;
  const name = nameOf(command);
  // ioredis puts the reason why no node of a Redis Cluster answered beside the error.
  const reason = cause ?? lastNodeError;
  const deeper = depth < MAX_DEPTH;
  return {
    type,
    message,
    ...(isCode(code) ? { code } : {}),
    ...(name === null ? {} : { command: name }),
    stack: scrub(stackOf(thrown, `${type}: ${message}`)),
    ...(deeper && reason instanceof Error ? { cause: errorRecord(reason, scrub, depth + 1) } : {}),
    ...(deeper && Array.isArray(errors)
      ? { errors: errors.slice(0, MAX_ERRORS).map((one) => errorRecord(one, scrub, depth + 1)) }
      : {}),
  };
}

/** The message without its quotations: pieces of JSON that could not be parsed, arguments that Redis repeats. */
export function messageOf(thrown: unknown): string {
  if (!(thrown instanceof Error))
    return thrown !== null && typeof thrown === 'object' ? 'an object' : short(String(thrown));
  const message = String(thrown.message);
  if (thrown instanceof SyntaxError && /\bJSON\b/.test(message)) return notJson(message);
  return short(
    message.replace(/, with args beginning with: [\s\S]*$/, '').replace(/unknown command '[^']*'/, 'unknown command'),
  );
}

/** V8 writes `Unexpected token 'x', ..."name": x12"... is not valid JSON`, with ten characters of the text on each side. */
function notJson(message: string): string {
  const [, place = ''] = /( at position \d+)/.exec(message) ?? [];
  return `the text is not valid JSON${place}`;
}

function short(text: string): string {
  return text.length > MAX_MESSAGE_LENGTH ? `${text.slice(0, MAX_MESSAGE_LENGTH)}…` : text;
}

/** The stack frames below our own first line, because V8's first line repeats the original message. */
function stackOf({ stack, message }: Error, head: string): string {
  if (typeof stack !== 'string') return head;
  const frames = stack
    .replace(message, '')
    .split('\n')
    .filter((line) => FRAME.test(line));
  return [head, ...frames].join('\n');
}

function nameOf(command: unknown): string | null {
  if (typeof command !== 'object' || command === null || !('name' in command)) return null;
  return typeof command.name === 'string' && /^[\w.|-]{1,32}$/.test(command.name) ? command.name : null;
}

function isCode(code: unknown): code is string | number {
  return typeof code === 'number' || (typeof code === 'string' && /^[\w.-]{1,64}$/.test(code));
}

function same(text: string): string {
  return text;
}
