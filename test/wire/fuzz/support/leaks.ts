/** The prefix of the Redis keys of a node that is fuzzed: nothing else in the world is spelt so. */
export const KEY_PREFIX = 'zqkeysqz';

const MARKS: readonly (readonly [what: string, mark: RegExp])[] = [
  ['a stack', /\bat (?:async )?\S+ \(\S+:\d+:\d+\)|\.[cm]?[jt]s:\d+:\d+|\\n\s+at /],
  ['a name of a file', /node_modules|\.js:\d|file:\/\/|\/(?:work|home|usr|tmp|packages|build|dist)\//],
  [
    'the name of a library or a system error',
    /ioredis|bullmq|body-parser|pathToRegexp|\bE(?:CONN|PIPE|HOST)|ReplyError/,
  ],
  ['an error of Redis or Lua', /\b(?:WRONGTYPE|NOSCRIPT|CROSSSLOT|user_script|Invalid stream ID)\b/],
  [
    'an error of the language',
    /TypeError|RangeError|ReferenceError|SyntaxError|URIError|Cannot read propert|is not a function/,
  ],
  ['the name of a key', new RegExp(KEY_PREFIX)],
  ['a token', /eyJ[A-Za-z0-9_-]{5,}\.eyJ/],
];

/**
 * What must not get out of a server: stacks, files, libraries, keys, tokens. Null when the text holds none.
 *
 * @param secrets texts that nobody may be told.
 * @param sent what the peer sent: its own words may come back to it.
 */
export function leakIn(text: string, secrets: readonly string[], sent: string): string | null {
  for (const secret of secrets) if (text.includes(secret)) return 'a secret';
  for (const [what, mark] of MARKS) if (mark.test(text) && !mark.test(sent)) return what;
  return null;
}
