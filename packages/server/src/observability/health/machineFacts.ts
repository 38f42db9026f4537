import { availableParallelism, loadavg, totalmem } from 'node:os';

/** The machine, or the container, that this process runs on. Bytes. */
export interface MachineFacts {
  /** That this process may use. */
  readonly cpus: number;
  /** Over 1, 5 and 15 min. */
  readonly load_average: readonly number[];
  readonly memory_total: number;
  readonly memory_available: number;
}

export function machineFacts(): MachineFacts {
  const machine = totalmem();
  // 0, or more than there is: not limited.
  const limit = process.constrainedMemory();
  return {
    cpus: availableParallelism(),
    load_average: loadavg().map((load) => Math.round(load * 100) / 100),
    memory_total: limit > 0 && limit < machine ? limit : machine,
    memory_available: process.availableMemory(),
  };
}
