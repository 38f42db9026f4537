import { counter, each, type ReadMetric } from './metric.js';

/** What clients sent, and what failed. */
export const REQUEST_METRICS: readonly ReadMetric[] = [
  counter(
    'uws_messages_received_total',
    'Messages of clients by type; those of an unknown type are errors with the code UNKNOWN_MESSAGE_TYPE.',
    ({ stats }) => each(stats.messages_by_type, 'type'),
    ['type'],
  ),
  counter(
    'uws_errors_total',
    'Errors that clients were told, over WebSocket and REST.',
    ({ stats }) => each(stats.errors.by_code, 'code'),
    ['code'],
  ),
  counter(
    'uws_http_refused_total',
    'Plain HTTP requests beyond the limit of their address or caller: answered with 429 before any work, probes with the answer of the last second.',
    ({ requestsRefused }) => each(requestsRefused, 'bucket'),
    ['bucket'],
  ),
  counter(
    'uws_log_lines_astray_total',
    'Log lines that standard output did not take, by where they went: stderr, or nowhere.',
    ({ logLines }) => each(logLines, 'to'),
    ['to'],
  ),
  counter(
    'uws_reports_total',
    'Failures that had no caller to be told, by place.',
    ({ reported }) => each(bounded(reported), 'where'),
    ['where'],
  ),
];

/** More places than there are in the code: a label must not grow with what comes in. */
const MAX_PLACES = 200;

function bounded(counts: ReadonlyMap<string, number>): Record<string, number> {
  return Object.fromEntries([...counts].slice(0, MAX_PLACES));
}
