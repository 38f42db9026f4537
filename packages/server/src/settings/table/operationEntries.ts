import { choice, integer, optionalText } from './entry.js';

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
  choice('LOG_ADDRESSES', {
    section: 'Operations',
    values: ['full', 'short', 'none'],
    default: 'full',
    meaning:
      "Clients' addresses in the log (security and audit records): as they are, cut to their network (IPv4 /24, IPv6 /48), or left out.",
  }),
  integer('SECURITY_LOG_RATE', {
    section: 'Operations',
    min: 1,
    max: 100_000,
    default: 200,
    meaning:
      'Security records a second and kind that a node writes, ten times as many at once; what is left out is counted in the log.',
  }),
] as const;
