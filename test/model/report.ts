import type { Exploration } from './explore.js';

const figures = new Intl.NumberFormat('en');

/** One line of a report. */
export function describeRun(
  shape: string,
  faults: readonly string[],
  { states, depth, exhausted, finding, tookMs }: Exploration & { readonly tookMs: number },
): string {
  const what = faults.length === 0 ? 'no fault' : faults.join(' + ');
  const outcome = finding ? `${finding.invariant} BROKEN in ${finding.trace.length - 1} steps` : 'holds';
  const reach = exhausted ? 'every state' : finding ? 'up to there' : `up to ${depth} steps, not exhausted`;
  const count = figures.format(states).padStart(11);
  return `${shape.padEnd(30)} ${what.padEnd(20)} ${count} states  ${outcome}, ${reach} (${(tookMs / 1000).toFixed(1)} s)`;
}
