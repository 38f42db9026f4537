import { median, short } from './load/stats.js';
import type { Row } from './measures/context.js';

/** The printed figures of each measure, in this order. The result file has all figures. */
const FIGURES: readonly string[] = [
  'server_us_per_delivery',
  'latency_p50_ms',
  'latency_p99_ms',
  'deliveries_per_s',
  'deliveries_per_s_flowing',
  'deliveries_per_cpu_s',
  'server_us_per_connect',
  'redis_us_per_connect',
  'connects_per_s',
  'established_p50_ms',
  'established_p99_ms',
  'rss_bytes_per_connection',
  'events_per_s',
  'server_us_per_event',
  'redis_us_per_event',
  'foreign_cpus',
];
/** The server that each one is compared with in the same run, and the figure used. */
const YARDSTICKS: Readonly<Record<string, { readonly server: string; readonly figure: string }>> = {
  fanout: { server: 'c-floor', figure: 'server_us_per_delivery' },
  targeted: { server: 'socket.io', figure: 'server_us_per_event' },
  connect: { server: 'ws+jwt+registry', figure: 'server_us_per_connect' },
};

type Run = readonly Row[];

/** Medians over the runs. Ratios are made within each run, because figures of different runs cannot be compared. */
export function summarise(runs: readonly Run[]): string[] {
  return (runs[0] ?? []).filter(({ load }) => load !== 'idle').map((row) => describe(row, runs));
}

function describe({ measure, server, load }: Row, runs: readonly Run[]): string {
  const value = (run: Run, of: string, figure: string): number => {
    const row = run.find((other) => other.measure === measure && other.load === load && other.server === of);
    const found = row?.values[figure];
    return typeof found === 'number' ? found : Number.NaN;
  };
  const parts: string[] = [];
  const yardstick = YARDSTICKS[measure];
  if (yardstick && server !== yardstick.server) {
    const { figure } = yardstick;
    const ratio = median(runs.map((run) => value(run, server, figure) / value(run, yardstick.server, figure)));
    if (Number.isFinite(ratio)) parts.push(`${short(ratio)} x ${yardstick.server}`);
  }
  for (const figure of FIGURES) {
    const found = median(runs.map((run) => value(run, server, figure)));
    if (Number.isFinite(found)) parts.push(`${figure} ${short(found)}`);
  }
  return `median   ${measure} ${server} ${load}: ${parts.join(', ')}`;
}
