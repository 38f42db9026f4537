import { writeSync } from 'node:fs';

/** How long a line waits for room in a pipe whose reader is slow, milliseconds: meanwhile the whole process stands still. */
const MAX_WAIT_MS = 100;
const STEP_MS = 5;

/** As `fs.writeSync`. */
export type WriteBytes = (fd: number, bytes: Uint8Array) => number;

const OUT = 1;
const ERR = 2;

/**
 * Where log lines go: standard output, line by line. When nobody reads it any more (EPIPE), or the disk behind it is full, they go to standard
 * error, and each line tries anew. pino by itself writes nothing ever again after the first failure, and says so nowhere.
 */
export class LogStream {
  /** Lines that did not get where they should, by where they went. */
  readonly astray = { stderr: 0, nowhere: 0 };
  private readonly writeBytes: WriteBytes;
  private fault: string | null = null;
  /** What is left of a line whose beginning is written. */
  private rest: Buffer = Buffer.alloc(0);
  private readonly sleeper = new Int32Array(new SharedArrayBuffer(4));

  constructor(writeBytes: WriteBytes = writeSync) {
    this.writeBytes = writeBytes;
  }

  /** Why standard output does not take lines, null: it took the last one. */
  get failing(): string | null {
    return this.fault;
  }

  write(line: string): void {
    const bytes = Buffer.from(line);
    try {
      this.rest = this.push(OUT, this.rest);
      const left = this.rest.length > 0 ? bytes : this.push(OUT, bytes);
      if (left.length === bytes.length) this.fail('EAGAIN', bytes);
      else {
        this.rest = left;
        this.fault = null;
      }
    } catch (error) {
      this.fail(codeOf(error), bytes);
    }
  }

  private fail(fault: string, bytes: Buffer): void {
    this.fault = fault;
    try {
      if (this.push(ERR, bytes).length < bytes.length) this.astray.stderr += 1;
      else this.astray.nowhere += 1;
    } catch {
      // There is nobody left to tell but those who ask: `failing` and the counts.
      this.astray.nowhere += 1;
    }
  }

  /** What was not taken. Waits for room but once: a reader that stands still must not slow the node down line by line. */
  private push(fd: number, bytes: Buffer): Buffer {
    const patience = this.fault === null ? MAX_WAIT_MS : 0;
    let left = bytes;
    for (let waited = 0; left.length > 0; ) {
      try {
        left = left.subarray(this.writeBytes(fd, left));
      } catch (error) {
        if (codeOf(error) !== 'EAGAIN') throw error;
        if (waited >= patience) return left;
        Atomics.wait(this.sleeper, 0, 0, STEP_MS);
        waited += STEP_MS;
      }
    }
    return left;
  }
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return 'code' in error ? String(error.code) : error.message;
}
