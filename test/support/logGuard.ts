import { TEST_SECRET } from './tokens.js';

/**
 * The head of every token (`{"` in base64url), followed by more than a connection id has room for: one random id in about twenty thousand
 * contains these three letters.
 */
export const TOKEN = /eyJ[\w-]{17,}/;

/** Checks each line that a node of a test writes: it must not contain credentials. */
export class LogGuard {
  private readonly leaks: string[] = [];

  look(line: string): void {
    if (line.includes(TEST_SECRET) || TOKEN.test(line)) this.leaks.push(line);
  }

  /** Call when the node has ended. @throws Error with the lines that contain a secret. */
  assertClean(): void {
    const leaks = this.leaks.splice(0);
    if (leaks.length > 0) throw new Error(`secrets in the log of a node:\n${leaks.slice(0, 5).join('\n')}`);
  }
}
