/** Why a part of the node does not run; null: it runs. */
export type PartProbe = () => string | null;

/** The parts that a node needs to serve, and whether they run. A node is ready only after all have started (G7). */
export class RunningParts {
  private readonly probes = new Map<string, PartProbe>();
  private hasStarted = false;

  add(name: string, probe: PartProbe): void {
    this.probes.set(name, probe);
  }

  /** Call when everything was started. */
  started(): void {
    this.hasStarted = true;
  }

  get isStarted(): boolean {
    return this.hasStarted;
  }

  /** The parts that do not run, a sentence each. */
  faults(): string[] {
    const faults = this.hasStarted ? [] : ['not all parts of the node have started yet'];
    for (const [name, probe] of this.probes) {
      const why = probe();
      if (why !== null) faults.push(`${name} ${why}`);
    }
    return faults;
  }
}
