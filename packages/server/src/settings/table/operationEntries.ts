import { choice, integer, optionalText } from './entry.js';

/** What operators see. */
export const OPERATIONS = [
  optionalText('METRICS_TOKEN', {
    section: 'Operations',
    secret: true,
    schema: { pattern: '^[\\x21-\\x7e]{1,512}$' },
    allowed: 'up to 512 printable ASCII characters without blanks',
    meaning: 'Bearer token of `/metrics`; unset: open outside production, 404 in production.',
  }),
  choice('LOG_LEVEL', {
    section: 'Operations',
    values: ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'],
    default: 'info',
    meaning: 'Lowest level that is logged.',
  }),
  choice('LOG_ADDRESSES', {
    section: 'Operations',
    values: ['full', 'short', 'none'],
    default: 'full',
    meaning:
      'Client addresses in the log (security and audit records): complete, cut to their network (IPv4 /24, IPv6 /48), or left out.',
  }),
  integer('SECURITY_LOG_RATE', {
    section: 'Operations',
    min: 1,
    max: 100_000,
    default: 200,
    meaning:
      'Security records that a node writes per second and kind, and ten times as many at once; the log counts omitted records.',
  }),
] as const;
