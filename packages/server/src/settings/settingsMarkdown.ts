import { AGREEMENTS } from './agreement.js';
import { ENTRIES } from './table/entries.js';
import { type Entry, flagOf } from './table/entry.js';

/** docs/CONFIG.md: every setting with its flag, type, default and meaning, made from the table. */
export function settingsMarkdown(): string {
  const entries: readonly Entry[] = ENTRIES;
  const sections = [...new Set(entries.map((entry) => entry.section))];
  const parts = sections.map((section) =>
    [
      `## ${section}`,
      '',
      '| variable | flag | allowed | default | meaning |',
      '|---|---|---|---|---|',
      ...entries.filter((entry) => entry.section === section).map(row),
    ].join('\n'),
  );
  return `${[INTRODUCTION, ...parts, agreements()].join('\n\n')}\n`;
}

const INTRODUCTION = `# Settings

For operators: every setting of a node. Generated from \`packages/server/src/settings/table/entries.ts\`; do not edit.

Each setting is an environment variable and a command-line flag (\`--port 9000\` or \`--port=9000\`); the flag wins. An empty
variable counts as unset. Unknown variables are ignored, unknown flags are errors. A node with wrong settings does not start,
and reports all problems at once. Give secrets (marked 🔒) by environment, because other users of the machine can read the
command line of a process.

In production (\`NODE_ENV=production\`) a node refuses to start with the development secret or without a key, with a secret of
less than 32 bytes, without \`JWT_ISSUER\` and \`JWT_AUDIENCE\`, and with \`ALLOWED_ORIGINS\` empty or \`*\`.`;

/** The settings that all nodes should share, and what happens when they differ. */
function agreements(): string {
  return [
    '## Settings that must agree',
    '',
    'Each node publishes these values in its card (`settings/agreement.ts`). `refused`: a node with another value does not start, and',
    'names both. `peer`: for each node its own value counts. `told`: may differ during a rolling deploy; after 10 minutes `/health` and the',
    'notices of `/readyz` name both values and their nodes.',
    '',
    '| setting | other values are | since otherwise |',
    '|---|---|---|',
    ...AGREEMENTS.map(({ name, rule, why }) => `| ${name.replaceAll(/[A-Z_]{5,}/g, '`$&`')} | ${rule} | ${why} |`),
  ].join('\n');
}

function row(entry: Entry): string {
  const variable = `\`${entry.env}\`${entry.secret ? ' 🔒' : ''}`;
  const cells = [variable, `\`${flagOf(entry.env)}\``, entry.allowed, defaultText(entry), entry.meaning];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

function defaultText(entry: Entry): string {
  const { productionDefault } = entry;
  const usual = 'text' in entry.default ? entry.default.text : valueText(entry.default.value);
  return productionDefault === undefined ? usual : `${usual}; in production ${valueText(productionDefault)}`;
}

function valueText(value: unknown): string {
  if (value === null || (Array.isArray(value) && value.length === 0)) return 'none';
  return `\`${Array.isArray(value) ? value.join(',') : String(value)}\``;
}
