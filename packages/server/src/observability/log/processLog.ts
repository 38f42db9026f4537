import { messageOf } from './errorRecord.js';
import type { Logger } from './logger.js';

const LEVELS = { log: 'info', info: 'info', warn: 'warn', error: 'error', debug: 'debug' } as const;

/**
 * Sends to the log what the process would write elsewhere: the text of a crash, which Node.js prints with every property of the
 * error, and the console output of libraries. A crash still ends the process.
 */
export function logProcess(logger: Logger): void {
  process.on('uncaughtException', (error: unknown, origin) => {
    logger.fatal({ err: error, origin }, `the process ends: ${messageOf(error)}`);
    process.exit(1);
  });
  for (const [method, level] of Object.entries(LEVELS)) {
    Object.assign(console, {
      [method]: (...said: readonly unknown[]) =>
        logger[level]({ err: said.find((one) => one instanceof Error) }, `console: ${said.map(messageOf).join(' ')}`),
    });
  }
}
