import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { expect } from 'chai';

/** The suites run at the root of the repository. */
const PAGE = 'docs/GLOSSARY.md';
const page = readFileSync(PAGE, 'utf8');

/** The rows of the table whose head begins so, each as its cells. */
function rowsOf(head: string): string[][] {
  const [, , ...lines] = page.slice(page.indexOf(`\n| ${head} |`) + 1).split('\n');
  const end = lines.findIndex((line) => !line.startsWith('|'));
  const rows = lines.slice(0, end < 0 ? undefined : end);
  return rows.map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

/** What a cell names in backticks; empty for "everywhere" and for nothing. */
function namesIn(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name as string);
}

const isBelow = (file: string, folders: readonly string[]): boolean =>
  folders.some((folder) => file.startsWith(folder));

interface WireName {
  readonly pattern: RegExp;
  readonly where: readonly string[];
}

const wireNames = rowsOf('name').map(([name, , , where]): WireName => {
  const [text = ''] = namesIn(name ?? '');
  return { pattern: new RegExp(`(?<![A-Za-z0-9_])${text}(?![A-Za-z0-9_])`, 'g'), where: namesIn(where ?? '') };
});

interface Synonym {
  readonly pattern: RegExp;
  readonly term: string;
  readonly where: readonly string[];
  readonly notIn: readonly string[];
}

const synonyms = rowsOf('not').map(
  ([words, term, where, notIn]): Synonym => ({
    pattern: new RegExp(`(?<![a-z])(?:${(words ?? '').split(', ').join('|')})(?![a-z])`),
    term: term ?? '',
    where: namesIn(where ?? ''),
    notIn: namesIn(notIn ?? ''),
  }),
);

/** A line without the names of the wire that may stand in this file, its identifiers cut into words, in small letters. */
function wordsOf(line: string, file: string): string {
  let text = line;
  for (const { pattern, where } of wireNames) {
    if (where.length === 0 || isBelow(file, where)) text = text.replace(pattern, '');
  }
  return text
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .replace(/([A-Z])([A-Z][a-z])/g, '$1 $2')
    .toLowerCase();
}

/** Where a word that is not used stands, with the word that is. */
function faultsOf(file: string, text: string): string[] {
  const faults: string[] = [];
  const looked = synonyms.filter(
    ({ where, notIn }) => (where.length === 0 || isBelow(file, where)) && !isBelow(file, notIn),
  );
  for (const [index, line] of text.split('\n').entries()) {
    const words = wordsOf(line, file);
    for (const { pattern, term } of looked) {
      const [found] = pattern.exec(words) ?? [];
      if (found !== undefined) faults.push(`${file}:${index + 1} "${found}": ${term}`);
    }
  }
  return faults;
}

/** What people read and write: sources, scripts and docs, but what is made from them. */
function textFiles(): string[] {
  const all = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], { encoding: 'utf8' }).split('\n');
  return all.filter(
    (file) =>
      /\.(?:ts|mjs|cjs|lua|md|c|cfg|yml)$/.test(file) &&
      ![PAGE, 'CHANGELOG.md', 'test/unit/glossary.test.ts'].includes(file) &&
      existsSync(file),
  );
}

describe('glossary', () => {
  it('a term whose place in the code has moved sends its reader nowhere', () => {
    const paths = [...page.matchAll(/`((?:packages|test|docs|scripts)\/[^`]*)`/g)].map(([, name]) => name as string);
    expect(paths.length).to.be.above(rowsOf('term').length);
    expect(paths.filter((name) => !existsSync(name))).to.deep.equal([]);
  });

  it('a second word for a term makes readers look for a second thing', () => {
    expect(textFiles().flatMap((file) => faultsOf(file, readFileSync(file, 'utf8')))).to.deep.equal([]);
  });

  it('a word in the middle of an identifier, or a wire name outside its place, is not overlooked', () => {
    const file = 'packages/server/src/redis/redisUrl.ts';
    for (const line of ['const oldJudges = 1;', 'wasDisplaced()', 'the displaced one', 'HELLO_MS', 'takeovers: 1']) {
      expect(faultsOf(file, line), line).to.have.length(1);
    }
    for (const line of ['CLOSE.SUPERSEDED', 'uws_takeovers_total', 'indeed', 'adjudge']) {
      expect(faultsOf(file, line), line).to.deep.equal([]);
    }
  });

  it('a term without a meaning or a place explains nothing', () => {
    for (const [term = '', meaning = '', where = ''] of rowsOf('term')) {
      expect(meaning, term).to.match(/\.$/);
      expect(namesIn(where), term).to.have.length(1);
    }
  });

  it('a wire name that nothing carries any more must not stay in the list', () => {
    const text = textFiles()
      .map((file) => readFileSync(file, 'utf8'))
      .join('\n');
    expect(wireNames.filter(({ pattern }) => text.search(pattern) < 0).map(String)).to.deep.equal([]);
  });
});
