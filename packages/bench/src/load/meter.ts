import { cpus } from 'node:os';
import { machineBusyMs, monoMs } from './procfs.js';
import { short } from './stats.js';

/** A process that used more than this share of a processor was the bottleneck. */
const SATURATED = 0.9;
/** Other processes that used more than this many processors are reported. */
const NOISE = 0.2;

export interface Usage {
  readonly wallMs: number;
  /** CPU per process, milliseconds. */
  readonly cpuMs: Readonly<Record<string, number>>;
  /** Use by other processes of this machine, in processors: noise. */
  readonly foreign: number;
  /** The process that used up its processor, or the machine; '' if none did. */
  readonly bottleneck: string;
}

/** Measures the CPU of processes between `start` and `stop`. Assumes that each does its work in one thread. */
export class Meter {
  private readonly sources: Readonly<Record<string, () => number>>;
  private began = 0;
  private busy = 0;
  private before: Record<string, number> = {};

  constructor(sources: Readonly<Record<string, () => number>>) {
    this.sources = { ...sources, driver: () => (process.cpuUsage().user + process.cpuUsage().system) / 1000 };
  }

  start(): void {
    this.before = this.read();
    this.busy = machineBusyMs();
    this.began = monoMs();
  }

  /** @param activeMs the time under load; default: all of it. */
  stop(activeMs?: number): Usage {
    const wallMs = monoMs() - this.began;
    const now = this.read();
    const busy = machineBusyMs() - this.busy;
    const cpuMs = Object.fromEntries(Object.entries(now).map(([name, ms]) => [name, ms - (this.before[name] ?? 0)]));
    const own = Object.values(cpuMs).reduce((sum, ms) => sum + ms, 0);
    const active = activeMs ?? wallMs;
    const saturated = Object.entries(cpuMs).find(([, ms]) => ms > SATURATED * active);
    const machine = busy > SATURATED * cpus().length * active ? 'all processors' : '';
    return { wallMs, cpuMs, foreign: Math.max(0, busy - own) / wallMs, bottleneck: saturated?.[0] ?? machine };
  }

  private read(): Record<string, number> {
    return Object.fromEntries(Object.entries(this.sources).map(([name, read]) => [name, read()]));
  }
}

/** What a reader must know about a figure: which process was saturated, and what other processes used. For the end of a line. */
export function noise({ bottleneck, foreign }: Usage): string {
  const capped = bottleneck === '' ? '' : `, capped by ${bottleneck}`;
  return foreign > NOISE ? `${capped}, others used ${short(foreign)} processors` : capped;
}
