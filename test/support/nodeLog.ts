import type { Readable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { LogGuard } from './logGuard.js';

/** What a node logs about a connection and its own state, in the order of its log. Times are monotonic ms of the machine. */
export type NodeRecord =
  | {
      readonly event: 'established';
      readonly mono: number;
      readonly conn: string;
      readonly user: string;
      readonly fence: string;
      readonly client: string | null;
    }
  | {
      readonly event: 'closed';
      readonly mono: number;
      readonly conn: string;
      readonly user: string;
      readonly fence: string;
      readonly code: number;
    }
  | { readonly event: 'suspended' | 'regained'; readonly mono: number; readonly conn: string; readonly user: string }
  | { readonly event: 'flush'; readonly mono: number; readonly conns: readonly string[] }
  | { readonly event: 'interrupted' | 'serving'; readonly reason: string };

interface Line {
  readonly level: string;
  readonly msg: string;
  readonly mono: number;
  readonly conn: string;
  readonly user: string;
  readonly fence?: string;
  readonly client?: string;
  readonly code?: number;
  readonly conns?: readonly string[];
  readonly reason?: string;
  readonly after?: string;
  readonly port?: number;
}

/** Number of lines that are not records, kept for the text of a failure. */
const MAX_KEPT = 100;

/** Reads a node's JSON log as it arrives. Trace logs are large, so lines are parsed, passed on, and dropped. */
export class NodeLog {
  /** The address of the node, or its last one. */
  port: number | null = null;
  /** Number of starts that were logged. */
  listens = 0;
  /** Lines of level warn and above, and lines that are not JSON: newest last, at most 100. */
  readonly complaints: string[] = [];
  /** Records without the flushes. Readers clear it; not filled if `onRecord` is given. */
  readonly records: Exclude<NodeRecord, { event: 'flush' }>[] = [];
  /** Gets every record as it arrives, of any level. */
  onLine: (line: string) => void = () => undefined;
  /** Gets every line, also of standard error. */
  readonly guard = new LogGuard();
  private readonly onRecord: ((record: NodeRecord) => void) | undefined;
  private rest = '';

  constructor(onRecord?: (record: NodeRecord) => void) {
    this.onRecord = onRecord;
  }

  /** For a restarted process, whose first lines follow. */
  read(stream: Readable): void {
    const decoder = new StringDecoder('utf8');
    this.rest = '';
    stream.on('data', (chunk: Buffer) => this.push(decoder.write(chunk)));
  }

  private push(text: string): void {
    const lines = (this.rest + text).split('\n');
    // A killed process leaves half a line.
    this.rest = lines.pop() ?? '';
    for (const line of lines) if (line !== '') this.line(line);
  }

  private line(text: string): void {
    this.guard.look(text);
    this.onLine(text);
    let line: Line;
    try {
      line = JSON.parse(text) as Line;
    } catch {
      // For example the text of a crash.
      this.complain(text);
      return;
    }
    if (line.level !== 'trace' && line.level !== 'debug' && line.level !== 'info') this.complain(text);
    if (line.msg === 'listening' && line.port !== undefined) {
      this.port = line.port;
      this.listens += 1;
    }
    const record = toRecord(line);
    if (record === null) return;
    if (this.onRecord) this.onRecord(record);
    else if (record.event !== 'flush') this.records.push(record);
  }

  /** Text from standard error. */
  complain(text: string): void {
    this.guard.look(text);
    this.complaints.push(text);
    if (this.complaints.length > MAX_KEPT) this.complaints.shift();
  }
}

function toRecord(line: Line): NodeRecord | null {
  const { mono, conn, user, fence = '' } = line;
  switch (line.msg) {
    case 'established':
      return { event: 'established', mono, conn, user, fence, client: line.client ?? null };
    case 'closed':
      return { event: 'closed', mono, conn, user, fence, code: line.code ?? 0 };
    case 'suspended':
    case 'regained':
      return { event: line.msg, mono, conn, user };
    case 'flush':
      return { event: 'flush', mono, conns: line.conns ?? [] };
    case 'delivery interrupted':
      return { event: 'interrupted', reason: line.reason ?? '' };
    case 'serving':
      return { event: 'serving', reason: line.after ?? '' };
    default:
      return null;
  }
}
