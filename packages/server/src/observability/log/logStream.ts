import { writeSync } from 'node:fs';

/** How long a line waits for room in a pipe with a slow reader, milliseconds. The whole process is blocked meanwhile. */
const MAX_WAIT_MS = 100;
const STEP_MS = 5;

/** As `fs.writeSync`. */
export type WriteBytes = (fd: number, bytes: Uint8Array) => number;

const OUT = 1;
const ERR = 2;

/**
 * Writes log lines to standard output. If its reader is gone (EPIPE) or the disk is full, lines go to standard error, and each line
 * tries standard output again. pino itself writes nothing more after the first failure, without a message.
 */
export class LogStream {
  /** Lines that standard output did not accept, by where they went. */
  readonly astray = { stderr: 0, nowhere: 0 };
  private readonly writeBytes: WriteBytes;
  private fault: string | null = null;
  /** The remainder of a line that was written in part. */
  private rest: Buffer = Buffer.alloc(0);
  private readonly sleeper = new Int32Array(new SharedArrayBuffer(4));

  constructor(writeBytes: WriteBytes = writeSync) {
    this.writeBytes = writeBytes;
  }

  /** Why standard output accepts no lines; null: it accepted the last one. */
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
      // Nothing is left to write to: `failing` and the counts report it.
      this.astray.nowhere += 1;
    }
  }

  /** @returns the bytes that were not accepted. Waits for room only once: a blocked reader must not slow the node down line by line. */
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
