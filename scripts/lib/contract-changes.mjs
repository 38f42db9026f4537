import { isDeepStrictEqual } from 'node:util';

/** Columns of the tables, and keys of the JSON documents, that explain the contract and are no part of it. */
const EXPLAINING_COLUMNS = new Set(['meaning', 'test', 'allows to', 'since otherwise']);
const EXPLAINING_KEYS = new Set(['description', 'summary', 'meaning']);
/** Of this column only the word before the colon is the contract: `kept` or `gone`; the remark explains. */
const REMARKED_COLUMN = 'predecessor';

/** Cells of a row; a bar in a cell is written `\|`. */
function cells(line) {
  return line
    .trim()
    .replace(/^\||\|$/g, '')
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim());
}

/** Rows of all tables of a page, by the heading above them and their first cell: { [column]: cell }. */
function rowsOf(page) {
  const rows = new Map();
  let heading = '';
  let columns;
  const lines = page.split('\n');
  for (const [at, line] of lines.entries()) {
    if (line.startsWith('#')) heading = line.replace(/^#+ /, '');
    if (!line.startsWith('|')) columns = undefined;
    else if (/^\|[-:| ]+$/.test(lines[at + 1] ?? '')) columns = cells(line);
    else if (columns && !/^\|[-:| ]+$/.test(line)) {
      const [first, ...others] = cells(line);
      let key = `${heading} · ${first}`;
      while (rows.has(key)) key += ' (again)';
      const named = others.map((cell, index) => {
        const column = columns[index + 1];
        return [column, column === REMARKED_COLUMN ? cell.split(':')[0] : cell];
      });
      rows.set(key, Object.fromEntries(named.filter(([column]) => !EXPLAINING_COLUMNS.has(column))));
    }
  }
  return rows;
}

/** Every value of a document that is no object or list, by its path. */
function valuesOf(value, path = '', found = new Map()) {
  if (typeof value !== 'object' || value === null) return found.set(path, value);
  const entries = Object.entries(value).filter(
    ([key, child]) => !(EXPLAINING_KEYS.has(key) && typeof child === 'string'),
  );
  if (entries.length === 0) found.set(path, Array.isArray(value) ? '[]' : '{}');
  for (const [key, child] of entries) valuesOf(child, `${path}/${key}`, found);
  return found;
}

const text = (value) => (typeof value === 'string' ? value : JSON.stringify(value));

function differences(before, now) {
  const lines = [];
  for (const [key, value] of before) {
    if (!now.has(key)) lines.push(`gone: ${key}: ${text(value)}`);
    else if (!isDeepStrictEqual(value, now.get(key))) {
      lines.push(`changed: ${key}`, `  was ${text(value)}`, `  is  ${text(now.get(key))}`);
    }
  }
  for (const [key, value] of now) if (!before.has(key)) lines.push(`new: ${key}: ${text(value)}`);
  return lines;
}

/** The tables between the markers; a page without markers is a table as a whole. */
function generatedOf(page) {
  const parts = [...page.matchAll(/<!-- generated:(\w+) -->\n([\s\S]*?)<!-- \/generated -->/g)];
  return parts.length === 0 ? page : parts.map(([, name, table]) => `# ${name}\n${table}`).join('\n');
}

/** What a generated page says otherwise than before, a line each, but for words that explain. */
export function contractChanges(name, before, now) {
  if (name.endsWith('.json')) return differences(valuesOf(JSON.parse(before || '{}')), valuesOf(JSON.parse(now)));
  return differences(rowsOf(generatedOf(before)), rowsOf(generatedOf(now)));
}
