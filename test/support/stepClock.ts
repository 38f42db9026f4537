import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A child process's wall clock, set by the test. Its monotonic clock runs on. Needs libfaketime (Debian: `faketime`). */
export class StepClock {
  /** For the child. */
  readonly env: Readonly<Record<string, string>>;
  private readonly dir: string;

  /** @param offsetMs from this machine's clock. */
  constructor(offsetMs = 0) {
    this.dir = mkdtempSync(join(tmpdir(), 'uws-clock-'));
    this.env = {
      // Redis is built with jemalloc, which reads the time while libfaketime is being loaded; libc's malloc does not.
      LD_PRELOAD: `${library()} libc.so.6`,
      FAKETIME_TIMESTAMP_FILE: this.file,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      DONT_FAKE_MONOTONIC: '1',
    };
    this.set(offsetMs);
  }

  /** From now on the child's clock is this far ahead of this machine's. */
  set(offsetMs: number): void {
    const seconds = offsetMs / 1000;
    // Written to another file first: a reader must not see half a time.
    const draft = `${this.file}.new`;
    writeFileSync(draft, `${seconds < 0 ? '' : '+'}${seconds}\n`);
    renameSync(draft, this.file);
  }

  remove(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }

  private get file(): string {
    return join(this.dir, 'offset');
  }
}

function library(): string {
  const arch = execFileSync('uname', ['-m'], { encoding: 'utf8' }).trim();
  const places = [`/usr/lib/${arch}-linux-gnu/faketime`, '/usr/lib/faketime', '/usr/lib64/faketime'];
  const found = places.map((place) => join(place, 'libfaketime.so.1')).find((file) => existsSync(file));
  if (found === undefined) {
    throw new Error('libfaketime is missing; tests of wrong clocks need it (Debian: apt-get install faketime)');
  }
  return found;
}
