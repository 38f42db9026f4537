import { readFileSync } from 'node:fs';

/** A fenced block of a page. */
export interface DocBlock {
  /** `README.md:33`. */
  readonly place: string;
  readonly language: string;
  readonly text: string;
  /** Why it is not run, as the comment before it says; null: it is to be run. */
  readonly notRun: string | null;
}

const FENCE = /^```(\w*)\s*$/;
const MARK = /^<!-- not run: (.+) -->$/;

/** The fenced blocks of a page, in order. @throws Error for one that does not end. */
export function docBlocks(file: URL, name: string): DocBlock[] {
  const lines = readFileSync(file, 'utf8').split('\n');
  const blocks: DocBlock[] = [];
  for (let at = 0; at < lines.length; at += 1) {
    const [, language] = FENCE.exec(lines[at] ?? '') ?? [];
    if (language === undefined) continue;
    const end = lines.indexOf('```', at + 1);
    if (end === -1) throw new Error(`${name}:${at + 1} does not end`);
    const [, notRun = null] = MARK.exec(lines[at - 1] ?? '') ?? [];
    blocks.push({ place: `${name}:${at + 1}`, language, text: lines.slice(at + 1, end).join('\n'), notRun });
    at = end;
  }
  return blocks;
}

/** What the commands of the examples may be; anything else is to be marked. */
const COMMANDS = [
  /^npm start\b/,
  /^npm run (-s|--silent) token -- /,
  /^node scripts\/(listen|token)\.mjs\b/,
  /^npx wscat /,
  /^curl -/,
  /^curl http/,
  /^\w+=\$\(npm run (-s|--silent) token -- [^)]*\)$/,
];

/** Lines of what a client of a WebSocket sees (<) and types (>), as wscat shows them. */
export function isTranscript({ language, text }: DocBlock): boolean {
  return language === '' && text.split('\n').every((line) => /^[<>] /.test(line));
}

/** What later examples of a page build on: the tokens that earlier ones have made. */
export function assignmentsOf(blocks: readonly DocBlock[]): string[] {
  return blocks.flatMap(commandsOf).filter((command) => /^\w+=/.test(command));
}

/** The commands of a block, one a line: without comments, and with continued lines joined. */
export function commandsOf({ text, place }: DocBlock): string[] {
  const commands = text
    .replace(/\\\n\s*/g, '')
    .split('\n')
    .map((line) => line.replace(/(^|\s+)#.*$/, '').trim())
    .filter((line) => line !== '');
  const unknown = commands.find((command) => !COMMANDS.some((known) => known.test(command)));
  if (unknown !== undefined) {
    throw new Error(`${place}: nobody knows how to run "${unknown}"; put <!-- not run: why --> before the block`);
  }
  return commands;
}

/**
 * A shell script of the commands: the cluster stands already, a listener goes on beside the rest and is waited for, and so is what
 * a command makes it hear.
 */
export function scriptOf(commands: readonly string[], http: string): string {
  const lines = [
    'set -eu',
    'curl() { "$NODE" "$CURL" "$@"; }',
    // wscat comes from the registry and waits for a person.
    'npx() { shift; "$NODE" "$WSCAT" "$@"; }',
    ': > "$HEARD"',
  ];
  let listens = false;
  for (const command of commands.map((line) => rebased(line, http))) {
    if (command.startsWith('npm start')) continue;
    if (command.startsWith('node scripts/listen.mjs')) {
      lines.push(`${command} < /dev/null >> "$HEARD" 2>&1 &`, 'LISTENER=$!', heard('connection_established'));
      listens = true;
    } else {
      lines.push(command);
      if (listens && /\/(broadcast|events)$/.test(command)) lines.push(heard('event '));
      if (listens && command.includes('/disconnect/')) lines.push(heard('closed '));
    }
  }
  if (listens) lines.push('kill "$LISTENER" 2>/dev/null || true', 'wait "$LISTENER" || true');
  return lines.join('\n');
}

const heard = (what: string): string => `until grep -q '${what}' "$HEARD"; do sleep 0.05; done`;

function rebased(command: string, http: string): string {
  return command.replace(/(http|ws):\/\/127\.0\.0\.1:\d+/g, (_all, scheme) =>
    scheme === 'ws' ? http.replace('http', 'ws') : http,
  );
}
