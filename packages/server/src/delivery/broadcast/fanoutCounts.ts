/** Counters since the start, read by the metrics. */
export interface FanoutCounts {
  events: number;
  deliveries: number;
  flushes: number;
  writes: number;
  bytes: number;
  /** Events of a type that the catalogue of this node does not know. */
  unknown: number;
  gaps: number;
}
