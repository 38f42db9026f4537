import { TEST_SECRET } from './tokens.js';

/**
 * The head of every token (`{"` in base64url) with more behind it than a connection id has room for: one random id in
 * about twenty thousand has these three letters in it.
 */
export const TOKEN = /eyJ[\w-]{17,}/;

/** Looks at each line that a node of a test writes: nothing by which somebody could get in may stand there. */
export class LogGuard {
  private readonly leaks: string[] = [];

  look(line: string): void {
    if (line.includes(TEST_SECRET) || TOKEN.test(line)) this.leaks.push(line);
  }

  /** At the end of the node's life. @throws Error with the lines that hold a secret. */
  assertClean(): void {
    const leaks = this.leaks.splice(0);
    if (leaks.length > 0) throw new Error(`secrets in the log of a node:\n${leaks.slice(0, 5).join('\n')}`);
  }
}
