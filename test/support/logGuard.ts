import { TEST_SECRET } from './tokens.js';

/** The key of the suites' tokens, and the head of every token (`{"` in base64url). */
const SECRETS = [TEST_SECRET, 'eyJ'];

/** Looks at each line that a node of a test writes: nothing by which somebody could get in may stand there. */
export class LogGuard {
  private readonly leaks: string[] = [];

  look(line: string): void {
    if (SECRETS.some((secret) => line.includes(secret))) this.leaks.push(line);
  }

  /** At the end of the node's life. @throws Error with the lines that hold a secret. */
  assertClean(): void {
    const leaks = this.leaks.splice(0);
    if (leaks.length > 0) throw new Error(`secrets in the log of a node:\n${leaks.slice(0, 5).join('\n')}`);
  }
}
