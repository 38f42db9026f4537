/** Why a part of the node does not run; null: it runs. */
export type PartProbe = () => string | null;

/** The parts without which the node does not serve, whether they run. A node is ready only once all have started (G7). */
export class RunningParts {
  private readonly probes = new Map<string, PartProbe>();
  private hasStarted = false;

  add(name: string, probe: PartProbe): void {
    this.probes.set(name, probe);
  }

  /** Everything was started. */
  started(): void {
    this.hasStarted = true;
  }

  get isStarted(): boolean {
    return this.hasStarted;
  }

  /** What does not run, a sentence each. */
  faults(): string[] {
    const faults = this.hasStarted ? [] : ['not all parts of the node have started yet'];
    for (const [name, probe] of this.probes) {
      const why = probe();
      if (why !== null) faults.push(`${name} ${why}`);
    }
    return faults;
  }
}
