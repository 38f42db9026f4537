import { choice, optionalText } from '../entry.js';

/** What operators see. */
export const OPERATIONS = [
  optionalText('METRICS_TOKEN', {
    section: 'Operations',
    secret: true,
    schema: { pattern: '^[\\x21-\\x7e]{1,512}$' },
    allowed: 'up to 512 printable ASCII characters without blanks',
    meaning: 'Bearer token of `/metrics`; unset: open outside production, 404 in it.',
  }),
  choice('LOG_LEVEL', {
    section: 'Operations',
    values: ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'],
    default: 'info',
    meaning: 'Least severity that is logged.',
  }),
] as const;
