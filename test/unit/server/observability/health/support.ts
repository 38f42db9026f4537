interface Series {
  /** With `_bucket`, `_sum` or `_count` for histograms. */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Family {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly series: Series[];
}

const LINE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"(?:,|$)/gy;

/** Reads the text format of Prometheus strictly. @throws Error at the first line that breaks it. */
export function parseMetrics(text: string): Map<string, Family> {
  if (!text.endsWith('\n')) throw new Error('the last line is not ended');
  const families = new Map<string, Family>();
  let current: Family | null = null;
  let help = '';
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const [, word, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
    if (word === 'HELP') {
      help = rest;
    } else if (word === 'TYPE') {
      if (families.has(name)) throw new Error(`${name} comes twice`);
      current = { name, type: rest, help, series: [] };
      families.set(name, current);
    } else {
      if (!current) throw new Error(`a series before its type: ${line}`);
      current.series.push(parseSeries(line, current));
    }
  }
  return families;
}

function parseSeries(line: string, { name: family, type }: Family): Series {
  const [, name = '', text = '', value = ''] = LINE.exec(line) ?? [];
  const stem = type === 'histogram' ? name.replace(/_(bucket|sum|count)$/, '') : name;
  if (stem !== family) throw new Error(`not a series of ${family}: ${line}`);
  const labels: Record<string, string> = {};
  let end = 0;
  for (const match of text.matchAll(LABEL)) {
    labels[match[1] as string] = match[2] as string;
    end = match.index + match[0].length;
  }
  if (end !== text.length) throw new Error(`malformed labels: ${line}`);
  const number = value === '+Inf' ? Number.POSITIVE_INFINITY : Number(value);
  if (Number.isNaN(number)) throw new Error(`not a number: ${line}`);
  return { name, labels, value: number };
}
