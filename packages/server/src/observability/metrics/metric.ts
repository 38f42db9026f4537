type Labels = Readonly<Record<string, string>>;
/** A value and the labels that it goes with. */
export type Series = readonly [value: number, labels?: Labels];

interface Described {
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
}

/** Read from a part's own counts when somebody looks: the hot paths pay nothing for it. */
interface ReadMetric<Source> extends Described {
  readonly type: 'gauge' | 'counter';
  readonly read: (source: Source) => readonly Series[];
}

/** Observed as things happen, by `Durations`. */
export interface Distribution extends Described {
  readonly type: 'histogram';
  /** Seconds. */
  readonly buckets: readonly number[];
}

/** @typeParam Source what the part that counts must show of itself. */
export type Metric<Source> = ReadMetric<Source> | Distribution;

/** The metrics of one part, joined with where their source is. */
export interface MetricList<Parts> {
  readonly metrics: readonly Metric<never>[];
  /** The series of each metric as they are now, in the order of `metrics`; none of a distribution. */
  readonly read: (parts: Parts) => readonly (readonly Series[])[];
}

/** @param sourceOf is called once for each look at the metrics. */
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
