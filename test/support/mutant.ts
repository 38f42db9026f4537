import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Mutation {
  /** Path below dist. */
  readonly file: string;
  /** Must occur exactly once; otherwise the control run would prove nothing. */
  readonly from: string;
  readonly to: string;
}

/** A copy of the built server without one rule, for control runs: a test that cannot fail proves nothing. */
export class Mutant {
  /** Path of its `main.js`. */
  readonly main: string;
  private readonly dir: string;

  /** @throws Error when a mutation does not fit the build. */
  constructor(mutations: readonly Mutation[]) {
    const dist = dirname(fileURLToPath(import.meta.resolve('@unified-ws/server/main')));
    const pack = dirname(dist);
    // Inside the repository, so that Node.js finds its modules.
    this.dir = mkdtempSync(join(resolve(pack, '..', '..', 'build'), 'mutant-'));
    cpSync(dist, join(this.dir, 'dist'), { recursive: true });
    cpSync(join(pack, 'package.json'), join(this.dir, 'package.json'));
    this.main = join(this.dir, 'dist', 'main.js');
    try {
      for (const mutation of mutations) this.apply(mutation);
    } catch (error) {
      this.remove();
      throw error;
    }
  }

  remove(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }

  private apply({ file, from, to }: Mutation): void {
    const path = join(this.dir, 'dist', file);
    const [before, after, ...more] = readFileSync(path, 'utf8').split(from);
    if (before === undefined || after === undefined || more.length > 0) {
      throw new Error(`a mutation does not fit ${file}: ${from}`);
    }
    writeFileSync(path, before + to + after);
  }
}
