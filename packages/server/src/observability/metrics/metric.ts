type Labels = Readonly<Record<string, string>>;
/** A value and its labels. */
export type Series = readonly [value: number, labels?: Labels];

interface Described {
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
}

/** Read from a part's own counts at each scrape, so that hot paths have no extra cost. */
interface ReadMetric<Source> extends Described {
  readonly type: 'gauge' | 'counter';
  readonly read: (source: Source) => readonly Series[];
}

/** Observed at each occurrence, by `Durations`. */
export interface Distribution extends Described {
  readonly type: 'histogram';
  /** Seconds. */
  readonly buckets: readonly number[];
}

/** @typeParam Source what the metric reads from the counting part. */
export type Metric<Source> = ReadMetric<Source> | Distribution;

/** The metrics of one part, and how to find their source. */
export interface MetricList<Parts> {
  readonly metrics: readonly Metric<never>[];
  /** The current series of each metric, in the order of `metrics`; empty for a distribution. */
  readonly read: (parts: Parts) => readonly (readonly Series[])[];
}

/** @param sourceOf is called once per scrape. */
export const metricList = <Parts, Source>(
  metrics: readonly Metric<Source>[],
  sourceOf: (parts: Parts) => Source,
): MetricList<Parts> => ({
  metrics,
  read: (parts) => {
    const source = sourceOf(parts);
    return metrics.map((metric) => (metric.type === 'histogram' ? [] : metric.read(source)));
  },
});

export const gauge = <Source>(
  name: string,
  help: string,
  read: (source: Source) => readonly Series[],
  labels: readonly string[] = [],
): Metric<Source> => ({ type: 'gauge', name, help, labels, read });

export const counter = <Source>(
  name: string,
  help: string,
  read: (source: Source) => readonly Series[],
  labels: readonly string[] = [],
): Metric<Source> => ({ type: 'counter', name, help, labels, read });

/** One series per entry of a record. */
export const each = (record: Readonly<Record<string, number>>, label: string): Series[] =>
  Object.entries(record).map(([name, value]) => [value, { [label]: name }]);
export const one = (value: number | boolean): readonly Series[] => [[Number(value)]];
