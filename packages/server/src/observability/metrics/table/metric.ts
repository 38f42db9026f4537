import type { NodeStats } from '@unified-ws/protocol';
import type { Sample } from '../queueSample.js';

/** What the metrics are made of, gathered once per scrape. */
export interface MetricFacts {
  readonly stats: NodeStats;
  readonly queue: Sample | null;
  /** Monotonic and wall clock, ms. */
  readonly mono: number;
  readonly now: number;
  readonly reported: ReadonlyMap<string, number>;
  /** Log lines that standard output did not take, by where they went. */
  readonly logLines: Readonly<Record<string, number>>;
  /** Plain HTTP requests that were refused before any work, by bucket. */
  readonly requestsRefused: Readonly<Record<string, number>>;
  readonly connected: { readonly command: boolean; readonly subscriber: boolean };
  /** Messages of other installations that were dropped. */
  readonly foreign: number;
  readonly cpu: NodeJS.CpuUsage;
}

type Labels = Readonly<Record<string, string>>;
/** A value and the labels that it goes with. */
export type Series = readonly [value: number, labels?: Labels];

interface Described {
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
}

/** Read from the parts' own counts when somebody looks: the hot paths pay nothing for it. */
export interface ReadMetric extends Described {
  readonly type: 'gauge' | 'counter';
  readonly read: (facts: MetricFacts) => readonly Series[];
}

/** Observed as things happen. */
export interface Distribution extends Described {
  readonly type: 'histogram';
  /** Seconds. */
  readonly buckets: readonly number[];
}

export const gauge = (
  name: string,
  help: string,
  read: ReadMetric['read'],
  labels: readonly string[] = [],
): ReadMetric => ({
  type: 'gauge',
  name,
  help,
  labels,
  read,
});
export const counter = (
  name: string,
  help: string,
  read: ReadMetric['read'],
  labels: readonly string[] = [],
): ReadMetric => ({
  ...gauge(name, help, read, labels),
  type: 'counter',
});

/** One series per entry of a record. */
export const each = (record: Readonly<Record<string, number>>, label: string): Series[] =>
  Object.entries(record).map(([name, value]) => [value, { [label]: name }]);
export const one = (value: number | boolean): readonly Series[] => [[Number(value)]];
/** A check's age in seconds; no series when there is none. */
export const age = (ms: unknown): readonly Series[] => (typeof ms === 'number' ? [[ms / 1000]] : []);
