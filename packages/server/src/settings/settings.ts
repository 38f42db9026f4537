import { inspect } from 'node:util';
import type { ErrorObject } from 'ajv';
import { DEVELOPMENT_SECRET } from './developmentSecret.js';
import { faultOf, settingsAjv } from './formats.js';
import { quotedValue, shownValue } from './mask.js';
import { parseText, readTexts } from './readTexts.js';
import { RULES } from './rules.js';
import { SettingsError, type SettingsProblem } from './settingsError.js';
import { ENTRIES, type SettingValues } from './table/entries.js';
import { type Entry, propertyOf } from './table/entry.js';

export { DEVELOPMENT_SECRET } from './developmentSecret.js';
export { maskUrl } from './mask.js';
export { openDoors } from './openDoors.js';
export { secretsOf } from './secrets.js';
export { SettingsError, type SettingsProblem } from './settingsError.js';
export { settingsMarkdown } from './settingsMarkdown.js';
export type { TrustProxy } from './table/entry.js';

/** All settings, frozen. `console.log` and JSON mask secrets and passwords, but not those of a copy. */
export type Settings = SettingValues;

const TABLE: readonly Entry[] = ENTRIES;
const BY_PROPERTY: ReadonlyMap<string, Entry> = new Map(TABLE.map((entry) => [propertyOf(entry.env), entry]));

/** The JSON Schema of the settings' values, by property. */
export const settingsSchema = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  type: 'object',
  additionalProperties: false,
  properties: Object.fromEntries(
    TABLE.map((entry) => [propertyOf(entry.env), { description: entry.meaning, ...entry.schema }]),
  ),
} as const;

const validate = settingsAjv().compile(settingsSchema);

/**
 * Reads the settings from environment variables and command-line flags (a flag wins).
 *
 * @param env usually `process.env`; variables that are not settings are ignored.
 * @param argv the flags without the program's own arguments: `--lease-ttl-ms 5000` or `--port=9000`.
 * @throws SettingsError with every problem: bad values, unknown flags, settings that contradict each other.
 */
export function loadSettings(
  env: Readonly<Record<string, string | undefined>>,
  argv: readonly string[] = [],
): Settings {
  const problems: SettingsProblem[] = [];
  const texts = readTexts(TABLE, env, argv, problems);
  const values = new Map<string, unknown>();
  for (const [property, entry] of BY_PROPERTY) {
    const text = texts.get(entry.env);
    if (text !== undefined) values.set(property, parseText(entry, text));
  }
  const wrong = checkValues(values, problems);
  fillDefaults(values);
  const settings = Object.fromEntries([...BY_PROPERTY.keys()].map((name) => [name, values.get(name)])) as SettingValues;
  for (const rule of RULES) {
    if (!rule.reads.some((property) => wrong.has(property))) problems.push(...rule.check(settings));
  }
  if (problems.length > 0) throw new SettingsError(problems);
  return seal(settings);
}

/** Validates the given values. @returns the properties that are invalid. */
function checkValues(values: ReadonlyMap<string, unknown>, problems: SettingsProblem[]): ReadonlySet<string> {
  const wrong = new Set<string>();
  if (validate(Object.fromEntries(values))) return wrong;
  for (const error of validate.errors ?? []) {
    const [property = '', item] = error.instancePath.split('/').slice(1);
    const entry = BY_PROPERTY.get(property);
    // One message per setting, however many keywords of the schema failed.
    if (!entry || wrong.has(property)) continue;
    wrong.add(property);
    problems.push(badValue(entry, values.get(property), item, error));
  }
  return wrong;
}

function badValue(entry: Entry, value: unknown, item: string | undefined, error: ErrorObject): SettingsProblem {
  const bad = item === undefined || !Array.isArray(value) ? value : value[Number(item)];
  const fault = faultOf(entry.schema.format, bad);
  if (fault !== null) return { setting: entry.env, message: `${fault}; allowed: ${entry.allowed}` };
  const what = error.keyword === 'uniqueItems' ? 'names something twice' : 'is not valid';
  return { setting: entry.env, message: `${quotedValue(entry, bad)} ${what}; allowed: ${entry.allowed}` };
}

function fillDefaults(values: Map<string, unknown>): void {
  const production = values.get('nodeEnv') === 'production';
  for (const [property, entry] of BY_PROPERTY) {
    if (values.has(property)) continue;
    if (production && entry.productionDefault !== undefined) values.set(property, entry.productionDefault);
    else if ('value' in entry.default) values.set(property, entry.default.value);
    else values.set(property, entry.default.derive(Object.fromEntries(values)));
  }
  // Only without any other key: beside a real key, the publicly known secret would admit everybody.
  const keyless = !['jwtPublicKey', 'jwtJwksUrl', 'jwtIssuers'].some((property) => values.get(property) !== null);
  const secrets = values.get('jwtSecret');
  if (!production && keyless && Array.isArray(secrets) && secrets.length === 0) {
    values.set('jwtSecret', [DEVELOPMENT_SECRET]);
  }
}

function seal(settings: SettingValues): Settings {
  const shown = () => describeSettings(settings);
  for (const value of Object.values(settings)) Object.freeze(value);
  return Object.freeze(
    Object.defineProperties(settings, {
      toJSON: { value: shown, enumerable: false },
      [inspect.custom]: { value: shown, enumerable: false },
    }),
  );
}

/** The settings by property for the log, secrets and passwords masked. */
export function describeSettings(settings: Settings): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(settings).map(([property, value]) => {
      const entry = BY_PROPERTY.get(property);
      // A property that is not a setting was added by a copy. It may be secret, so it is masked.
      return [property, entry ? shownValue(entry, value) : shownValue({ secret: true }, value)];
    }),
  );
}
