import { counter, each, type Metric } from '../metrics/metric.js';
import type { ErrorLog } from './errorLog.js';

interface LogSource {
  readonly errorLog: Pick<ErrorLog, 'byCode'>;
  readonly reported: ReadonlyMap<string, number>;
  readonly logLines: Readonly<Record<string, number>>;
}

/** What failed, and what the log lost. */
export const LOG_METRICS: readonly Metric<LogSource>[] = [
  counter(
    'uws_errors_total',
    'Errors sent to clients, over WebSocket and REST.',
    ({ errorLog }) => each(errorLog.byCode.toRecord(), 'code'),
    ['code'],
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

/** More than the places in the code. A label must not grow with the input. */
const MAX_PLACES = 200;

function bounded(counts: ReadonlyMap<string, number>): Record<string, number> {
  return Object.fromEntries([...counts].slice(0, MAX_PLACES));
}
