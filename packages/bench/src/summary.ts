import type { Row } from './measures/context.js';
import { median, short } from './load/stats.js';

/** Medians over the runs, and each server's CPU beside the kernel's own price in the same run. */
export function summarise(runs: readonly (readonly Row[])[]): string[] {
  const value = (row: Row | undefined, name: string): number => Number(row?.values[name] ?? Number.NaN);
  const find = (run: readonly Row[], row: Row, server: string): Row | undefined =>
    run.find((other) => other.measure === row.measure && other.load === row.load && other.server === server);
  const lines: string[] = [];
  for (const row of runs[0] ?? []) {
    if (row.measure !== 'fanout' || row.load === 'idle') continue;
    const same = runs.map((run) => ({ run, row: find(run, row, row.server) }));
    const cost = median(same.map((one) => value(one.row, 'server_us_per_delivery')));
    const ratios = same.map(
      (one) =>
        value(one.row, 'server_us_per_delivery') /
        value(find(one.run, row, 'c-floor'), 'server_us_per_delivery'),
    );
    const parts = [`${short(cost)} us`, `${short(median(ratios))} x c-floor`];
    for (const name of ['latency_p99_ms', 'deliveries_per_s_flowing', 'deliveries_per_cpu_s']) {
      const figure = median(same.map((one) => value(one.row, name)));
      if (Number.isFinite(figure)) parts.push(`${name} ${short(figure)}`);
    }
    lines.push(`median   ${row.server.padEnd(9)} ${row.load.padEnd(9)} ${parts.join(', ')}`);
  }
  return lines;
}
