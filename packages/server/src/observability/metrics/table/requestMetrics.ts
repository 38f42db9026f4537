import { counter, each, type ReadMetric } from './metric.js';

/** What clients sent, and what failed. */
export const REQUEST_METRICS: readonly ReadMetric[] = [
  counter(
    'uws_messages_received_total',
    'Messages of clients by type; unknown types count as errors with the code UNKNOWN_MESSAGE_TYPE.',
    ({ stats }) => each(stats.messages_by_type, 'type'),
    ['type'],
  ),
  counter(
    'uws_errors_total',
    'Errors sent to clients, over WebSocket and REST.',
    ({ stats }) => each(stats.errors.by_code, 'code'),
    ['code'],
  ),
  counter(
    'uws_http_refused_total',
    'Plain HTTP requests over the limit of their address or caller: answered with 429 before any work; probes get the answer of the last second.',
    ({ requestsRefused }) => each(requestsRefused, 'bucket'),
    ['bucket'],
  ),
  counter(
    'uws_log_lines_astray_total',
    'Log lines that standard output did not accept, by where they went: stderr or nowhere.',
    ({ logLines }) => each(logLines, 'to'),
    ['to'],
  ),
  counter(
    'uws_reports_total',
    'Failures outside of any request, by place in the code.',
    ({ reported }) => each(bounded(reported), 'where'),
    ['where'],
  ),
];

/** More places than there are in the code: a label must not grow with what comes in. */
const MAX_PLACES = 200;

function bounded(counts: ReadonlyMap<string, number>): Record<string, number> {
  return Object.fromEntries([...counts].slice(0, MAX_PLACES));
}
