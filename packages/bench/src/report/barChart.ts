/** A bar: its parts lie behind each other. */
interface Bar {
  readonly label: string;
  readonly parts: readonly number[];
  /** Text behind the bar. */
  readonly note: string;
  /** The bar of the product. */
  readonly own: boolean;
}

export interface BarGroup {
  readonly title: string;
  readonly bars: readonly Bar[];
}

const WIDTH = 860;
const LABEL = 170;
const NOTE = 300;
const ROW = 22;
const TITLE = 30;
const MARGIN = 14;
const OWN = ['#1f6feb', '#79b8ff'] as const;
const OTHER = ['#8c959f', '#c7ccd1'] as const;
const TEXT = '#57606a';

/** Horizontal bars in groups, each group with a scale of its own. The text is readable on light and on dark pages. */
export function barChart(title: string, groups: readonly BarGroup[]): string {
  const lines: string[] = [];
  let y = MARGIN + TITLE;
  for (const { title: name, bars } of groups) {
    lines.push(text(MARGIN, y + ROW - 7, name, 'font-weight="600"'));
    y += ROW;
    const most = Math.max(...bars.map(total));
    for (const bar of bars) {
      lines.push(...row(bar, y, (WIDTH - LABEL - NOTE - 2 * MARGIN) / most));
      y += ROW;
    }
    y += ROW / 2;
  }
  const head = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" width="${WIDTH}" height="${y}" role="img" font-family="system-ui, sans-serif" font-size="13" fill="${TEXT}">`;
  const caption = text(MARGIN, MARGIN + 12, title, 'font-size="15" font-weight="600"');
  return `${[head, `<title>${escaped(title)}</title>`, caption, ...lines, '</svg>'].join('\n')}\n`;
}

function row({ label, parts, note, own }: Bar, y: number, scale: number): string[] {
  const colours = own ? OWN : OTHER;
  const lines = [text(MARGIN + LABEL - 8, y + ROW - 7, label, `text-anchor="end"${own ? ' font-weight="600"' : ''}`)];
  let x = MARGIN + LABEL;
  for (const [index, part] of parts.entries()) {
    const width = Math.max(1, part * scale);
    const colour = colours[index % colours.length] ?? TEXT;
    lines.push(
      `<rect x="${x.toFixed(1)}" y="${y + 3}" width="${width.toFixed(1)}" height="${ROW - 7}" fill="${colour}"/>`,
    );
    x += width;
  }
  lines.push(text(x + 6, y + ROW - 7, note));
  return lines;
}

function total({ parts }: Bar): number {
  return parts.reduce((sum, part) => sum + part, 0);
}

function text(x: number, y: number, content: string, style = ''): string {
  return `<text x="${x.toFixed(1)}" y="${y}"${style === '' ? '' : ` ${style}`}>${escaped(content)}</text>`;
}

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
