import type { SettingsProblem } from './settingsError.js';
import { type Entry, flagOf } from './table/entry.js';

/** The given text of each setting, by environment variable. An empty variable counts as not set. */
export type GivenTexts = ReadonlyMap<string, string>;

/** Reads the settings' variables from the environment, then the flags, which win. Other variables are ignored. */
export function readTexts(
  entries: readonly Entry[],
  env: Readonly<Record<string, string | undefined>>,
  argv: readonly string[],
  problems: SettingsProblem[],
): GivenTexts {
  const given = new Map<string, string>();
  for (const entry of entries) {
    // Compose files pass `${NAME:-}` on as an empty text, which means "not set".
    const text = env[entry.env]?.trim();
    if (text) given.set(entry.env, text);
  }
  readFlags(entries, argv, given, problems);
  return given;
}

function readFlags(
  entries: readonly Entry[],
  argv: readonly string[],
  given: Map<string, string>,
  problems: SettingsProblem[],
): void {
  const byFlag = new Map(entries.map((entry) => [flagOf(entry.env), entry]));
  for (let i = 0; i < argv.length; i += 1) {
    const argument = argv[i] ?? '';
    const equals = argument.indexOf('=');
    const flag = equals === -1 ? argument : argument.slice(0, equals);
    const entry = byFlag.get(flag);
    if (!entry) {
      problems.push(unknownArgument(flag));
      // Skip the value after an unknown flag: it is no second problem, and it may be a secret.
      if (equals === -1 && flag.startsWith('--') && isValue(argv[i + 1])) i += 1;
      continue;
    }
    const value = equals === -1 ? argv[i + 1] : argument.slice(equals + 1);
    if (equals === -1 && !isValue(value)) {
      problems.push({ setting: entry.env, message: `${flag} needs a value: ${entry.allowed}` });
      continue;
    }
    if (equals === -1) i += 1;
    const text = value?.trim();
    if (text) given.set(entry.env, text);
    else given.delete(entry.env);
  }
}

function isValue(argument: string | undefined): argument is string {
  return argument !== undefined && !argument.startsWith('--');
}

function unknownArgument(flag: string): SettingsProblem {
  if (flag.startsWith('--')) return { setting: flag.slice(0, 64), message: 'there is no such flag' };
  return { setting: 'command line', message: 'is not a flag; write --name value or --name=value' };
}

/** Converts a text to a value. A text of the wrong kind stays as it is, so that the schema's message can quote it. */
export function parseText(entry: Entry, text: string): unknown {
  switch (entry.kind) {
    case 'integer':
      return /^-?\d{1,15}$/.test(text) ? Number(text) : text;
    case 'boolean':
      return text === 'true' || (text === 'false' ? false : text);
    case 'text':
      return text;
    case 'list':
      return splitList(text);
    case 'proxy':
      if (text === 'false' || text === '0') return false;
      return /^-?\d{1,15}$/.test(text) ? Number(text) : splitList(text);
  }
}

function splitList(text: string): string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}
