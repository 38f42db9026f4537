import { availableParallelism, loadavg, totalmem } from 'node:os';

/** The machine or container that this process runs on. Sizes in bytes. */
export interface MachineFacts {
  /** CPUs that this process may use. */
  readonly cpus: number;
  /** Load average over 1, 5 and 15 min. */
  readonly load_average: readonly number[];
  readonly memory_total: number;
  readonly memory_available: number;
}

export function machineFacts(): MachineFacts {
  const machine = totalmem();
  // 0, or more than the machine has: not limited.
  const limit = process.constrainedMemory();
  return {
    cpus: availableParallelism(),
    load_average: loadavg().map((load) => Math.round(load * 100) / 100),
    memory_total: limit > 0 && limit < machine ? limit : machine,
    memory_available: process.availableMemory(),
  };
}
