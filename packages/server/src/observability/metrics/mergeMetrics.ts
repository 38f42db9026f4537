/** The metrics of one process in the text format of Prometheus. */
export interface ProcessMetrics {
  readonly nodeId: string;
  readonly text: string;
}

const SERIES = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (.*)$/;

/**
 * Merges the texts of several processes: each series gets the label `node`, and all series of a metric are adjacent, as the format
 * requires.
 */
export function mergeMetrics(processes: readonly ProcessMetrics[]): string {
  const families = new Map<string, { readonly head: string[]; readonly series: string[] }>();
  for (const { nodeId, text } of processes) {
    let family = { head: [] as string[], series: [] as string[] };
    let isNew = false;
    for (const line of text.split('\n')) {
      if (line.startsWith('# HELP ')) {
        const name = line.split(' ', 3)[2] as string;
        const known = families.get(name);
        isNew = known === undefined;
        family = known ?? { head: [], series: [] };
        if (isNew) families.set(name, family);
      }
      if (line.startsWith('#')) {
        if (isNew) family.head.push(line);
        continue;
      }
      const match = SERIES.exec(line);
      if (!match) continue;
      const [, name, labels, value] = match;
      family.series.push(`${name}{node="${escaped(nodeId)}"${labels ? `,${labels}` : ''}} ${value}`);
    }
  }
  return [...families.values()].map(({ head, series }) => `${[...head, ...series].join('\n')}\n`).join('\n');
}

function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
