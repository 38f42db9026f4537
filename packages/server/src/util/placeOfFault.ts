const TOKEN =
  /([{}[\],:])|("(?:[^"\\\n\r\t]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/uy;
const BLANKS = /[ \t\r\n]*/y;

type Expected = 'value' | 'value or ]' | 'key' | 'key or }' | ':' | ', or end' | 'nothing';

/**
 * Line and column (from 1) of the first fault in a JSON text that `JSON.parse` refused. For a text that ends too early: its end.
 * V8 gives a position for some faults only.
 */
export function placeOfFault(text: string): { readonly line: number; readonly column: number } {
  const before = text.slice(0, firstFault(text));
  return { line: before.split('\n').length, column: before.length - before.lastIndexOf('\n') };
}

function firstFault(text: string): number {
  const closers: string[] = [];
  let expected: Expected = 'value';
  let at = 0;
  for (;;) {
    BLANKS.lastIndex = at;
    BLANKS.test(text);
    at = BLANKS.lastIndex;
    TOKEN.lastIndex = at;
    const token = TOKEN.exec(text);
    const next: Expected | null = token ? after(expected, token, closers) : null;
    if (token === null || next === null) return at;
    expected = next;
    at = TOKEN.lastIndex;
  }
}

/** What may follow `token`; null when `token` is not allowed here. */
function after(expected: Expected, [token, sign, string]: RegExpExecArray, closers: string[]): Expected | null {
  const key = expected === 'key' || expected === 'key or }';
  if (sign === undefined) {
    if (key) return string === undefined ? null : ':';
    return expected === 'value' || expected === 'value or ]' ? afterValue(closers) : null;
  }
  if (token === '{' || token === '[') {
    if (expected !== 'value' && expected !== 'value or ]') return null;
    closers.push(token === '{' ? '}' : ']');
    return token === '{' ? 'key or }' : 'value or ]';
  }
  if (token === ':') return expected === ':' ? 'value' : null;
  if (token === ',') return expected !== ', or end' ? null : closers.at(-1) === '}' ? 'key' : 'value';
  const mayEnd = expected === ', or end' || expected === (token === '}' ? 'key or }' : 'value or ]');
  return mayEnd && closers.pop() === token ? afterValue(closers) : null;
}

function afterValue(closers: readonly string[]): Expected {
  return closers.length === 0 ? 'nothing' : ', or end';
}
