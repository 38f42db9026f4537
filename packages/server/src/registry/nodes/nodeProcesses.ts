import { ENDED, type FailureDetector } from './failureDetector.js';
import { leaseTail, nodeOfLease } from './lease.js';
import type { NodeCards } from './nodeCards.js';

interface NodeProcessesParts {
  readonly failureDetector: FailureDetector;
  readonly cards: NodeCards;
  readonly lease: () => string;
}

/** One lease, with what it says about its process. */
interface Life {
  readonly node: string;
  readonly process: string;
  /** Redis time of the first and of the last beat, ms; null: the node does not write them. */
  readonly born: number | null;
  readonly last: number | null;
}

/** `<beat>@<time of the first>@<time of this one>`. */
const TIMES = /@(\d+)@(\d+)$/;

/**
 * Tells processes apart. Several processes may share a name (NODE_ID); each has an id of its own, `<name>~<random>`. A process that
 * began after the last beat of another process of the same name is its successor (a restart), not a second node of that name.
 */
export class NodeProcesses {
  private readonly parts: NodeProcessesParts;

  constructor(parts: NodeProcessesParts) {
    this.parts = parts;
  }

  /** The id of the process that has, or had, the lease. */
  processOf(lease: string): string {
    return this.parts.cards.of(lease)?.process ?? `${nodeOfLease(lease)}~${leaseTail(lease)}`;
  }

  /** The live processes of a name, by lease. A process that has a successor is left out. */
  processesOf(node: string, leases: readonly string[]): Map<string, string[]> {
    const named = leases.filter((lease) => nodeOfLease(lease) === node);
    const lives = named.map((lease) => this.life(lease));
    const processes = new Map<string, string[]>();
    for (const [index, lease] of named.entries()) {
      const life = lives[index] as Life;
      if (lives.some((other) => other.process !== life.process && succeeds(other, life))) continue;
      processes.set(life.process, [...(processes.get(life.process) ?? []), lease]);
    }
    return processes;
  }

  /** Names that several live processes share, with these processes. */
  sharedNames(): Map<string, string[]> {
    const live = [...new Set([...this.parts.failureDetector.live(), this.parts.lease()])];
    const shared = new Map<string, string[]>();
    for (const node of new Set(live.map(nodeOfLease))) {
      const processes = [...this.processesOf(node, live).keys()];
      if (processes.length > 1) shared.set(node, processes.sort());
    }
    return shared;
  }

  /**
   * Who did not answer: by name, or by process id when another process of the same name did answer. A process that answered under
   * another lease is not missing, nor is a restarted one. One successor replaces one process.
   */
  missing(answered: readonly string[], missing: readonly string[]): string[] {
    const here = answered.map((lease) => this.life(lease));
    const processes = new Set(here.map(({ process }) => process));
    const names = new Set(here.map(({ node }) => node));
    const successors = [...here];
    const gone = new Map<string, Life>();
    for (const lease of missing) {
      const life = this.life(lease);
      if (!processes.has(life.process)) gone.set(life.process, life);
    }
    const named: string[] = [];
    for (const life of gone.values()) {
      const at = successors.findIndex(
        (other) => succeeds(other, life) || (other.node === life.node && other.born === null),
      );
      if (at >= 0) successors.splice(at, 1);
      else named.push(names.has(life.node) ? life.process : life.node);
    }
    return [...new Set(named)].sort();
  }

  private life(lease: string): Life {
    const beat = this.parts.failureDetector.beatOf(lease);
    const [, born, last] = TIMES.exec(beat) ?? [];
    return {
      node: nodeOfLease(lease),
      process: this.processOf(lease),
      born: born === undefined ? null : Number(born),
      last: last === undefined || beat === ENDED ? null : Number(last),
    };
  }
}

/** Whether `later` began after the last beat of `former`. A node that writes these times is later than one that does not. */
function succeeds(later: Life, former: Life): boolean {
  if (later.node !== former.node || later.born === null) return false;
  return former.last === null || later.born > former.last;
}
