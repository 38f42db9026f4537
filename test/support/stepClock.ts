import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The wall clock of a child process, which a test sets; its monotonic clock goes on. By libfaketime (Debian: `faketime`). */
export class StepClock {
  /** For the child. */
  readonly env: Readonly<Record<string, string>>;
  private readonly dir: string;

  /** @param offsetMs of this machine's clock. */
  constructor(offsetMs = 0) {
    this.dir = mkdtempSync(join(tmpdir(), 'uws-clock-'));
    this.env = {
      // Redis is built with jemalloc, which asks for the time while libfaketime is being loaded; with libc's malloc it does not.
      LD_PRELOAD: `${library()} libc.so.6`,
      FAKETIME_TIMESTAMP_FILE: this.file,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      DONT_FAKE_MONOTONIC: '1',
    };
    this.set(offsetMs);
  }

  /** The child's clock is so far ahead of this machine's from now on. */
  set(offsetMs: number): void {
    const seconds = offsetMs / 1000;
    // A file that is read while it is being written would be no time.
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
