/** A set of event types. Interned: equal sets are one object, shared by all connections that subscribed to the same. */
export interface TypeSet {
  readonly id: number;
  /** Sorted. */
  readonly names: readonly string[];
  readonly set: ReadonlySet<string>;
}

export class TypeSets {
  private readonly interned = new Map<string, WeakRef<TypeSet>>();
  private readonly registry = new FinalizationRegistry<string>((key) => {
    if (this.interned.get(key)?.deref() === undefined) this.interned.delete(key);
  });
  private next = 1;

  of(types: Iterable<string>): TypeSet {
    const names = [...new Set(types)].sort();
    const key = names.join(' ');
    const known = this.interned.get(key)?.deref();
    if (known) return known;
    const made: TypeSet = { id: this.next++, names, set: new Set(names) };
    this.interned.set(key, new WeakRef(made));
    this.registry.register(made, key);
    return made;
  }
}
