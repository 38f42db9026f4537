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
  /** Lists that cannot change, such as the defaults of a role: most connections bring one of these. */
  private readonly ofList = new WeakMap<Iterable<string>, TypeSet>();

  of(types: Iterable<string>): TypeSet {
    const listed = this.ofList.get(types);
    if (listed) return listed;
    const made = this.intern(types);
    if (Array.isArray(types) && Object.isFrozen(types)) this.ofList.set(types, made);
    return made;
  }

  private intern(types: Iterable<string>): TypeSet {
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
