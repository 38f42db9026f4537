import { readFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';

/** Clock ticks per second in /proc, the same on every Linux that Node.js runs on. */
const TICKS_PER_S = 100;

/** User and system time of a process with all its threads, milliseconds in steps of 10. */
export function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name, in brackets, may contain blanks, so the fields are counted from its end.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS_PER_S;
}

/** Resident memory of a process, bytes. */
export function rssBytes(pid: number): number {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kilobytes) * 1024;
}

/** Busy time of all processors of the machine, for all processes, milliseconds. */
export function machineBusyMs(): number {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = (
    readFileSync('/proc/stat', 'utf8').split('\n', 1)[0] as string
  )
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return ((user + nice + system + irq + softirq + steal) * 1000) / TICKS_PER_S;
}

/** Monotonic milliseconds: CLOCK_MONOTONIC, one clock for all processes of the machine, the C ones too. */
export function monoMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Facts about the machine that a stranger needs to check the figures. */
export function machine(): Record<string, unknown> {
  const [cpu] = cpus();
  return {
    cpu: cpu?.model ?? 'unknown',
    cores: cpus().length,
    node: process.versions.node,
    kernel: readFileSync('/proc/sys/kernel/osrelease', 'utf8').trim(),
    load_average: loadavg().map((value) => Math.round(value * 100) / 100),
  };
}

/** Maximum number of open files of a process. Node.js raises its soft limit to the hard one by itself. */
export function openFilesLimit(): number {
  const [, hard] = /^Max open files\s+\S+\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
  return hard === 'unlimited' ? Number.POSITIVE_INFINITY : Number(hard);
}
