/** Receives one successor of the state that is being expanded; `next` is copied, the caller may reuse it. */
export type Emit = (next: Uint8Array, label: number) => void;

/** What the explorer needs to know of a model. A state is a byte per field; labels are 16 bits. */
export interface Model {
  /** Bits per field (1–8): states are packed for the table of seen ones. */
  readonly widths: readonly number[];
  initial(): Uint8Array;
  /** Emits every successor; true when the state is at rest: nothing is left to do but what the world may do to it. */
  expand(state: Uint8Array, emit: Emit): boolean;
  /** Name of the invariant that this state breaks. */
  violation(state: Uint8Array): string | undefined;
  /** Name of the invariant that this state breaks, being at rest. */
  violationAtEnd(state: Uint8Array): string | undefined;
}

interface Step {
  readonly label: number;
  readonly state: Uint8Array;
}

interface Finding {
  readonly invariant: string;
  /** Shortest trace: the first element is the initial state (label 0), the last one breaks the invariant. */
  readonly trace: readonly Step[];
}

export interface Exploration {
  readonly states: number;
  readonly transitions: number;
  /** States in which nothing was left to do: the invariants of rest were checked there. */
  readonly atEnd: number;
  /** Steps from the initial state to the farthest one. */
  readonly depth: number;
  /** True when every reachable state was seen; false when the budget or a violation ended the search. */
  readonly exhausted: boolean;
  readonly finding?: Finding;
}

/** Breadth-first, so the first violation found has the shortest trace. Exact: states are compared, not hashes alone. */
export function explore(model: Model, budget: number): Exploration {
  const table = new StateTable(model.widths);
  const state = new Uint8Array(model.widths.length);
  let transitions = 0;
  let parent = 0;
  let full = false;
  let broken: { invariant: string; at: number } | undefined;

  const emit: Emit = (next, label) => {
    transitions += 1;
    if (full) return;
    const at = table.add(next, parent, label);
    if (at < 0) return;
    if (table.size >= budget) full = true;
    if (broken === undefined) {
      const invariant = model.violation(next);
      if (invariant !== undefined) broken = { invariant, at };
    }
  };

  emit(model.initial(), 0);
  let atEnd = 0;
  let depth = 0;
  let levelEnd = table.size;
  let next = 0;
  for (; next < table.size && !full && broken === undefined; next += 1) {
    if (next === levelEnd) {
      depth += 1;
      levelEnd = table.size;
    }
    table.read(next, state);
    parent = next;
    if (!model.expand(state, emit)) continue;
    atEnd += 1;
    const invariant = broken === undefined ? model.violationAtEnd(state) : undefined;
    if (invariant !== undefined) broken = { invariant, at: next };
  }
  const figures = {
    states: table.size,
    transitions,
    atEnd,
    depth,
    exhausted: next === table.size && !full && !broken,
  };
  if (broken === undefined) return figures;
  return { ...figures, finding: { invariant: broken.invariant, trace: table.trace(broken.at) } };
}

/** The states seen, packed, with their parents; open addressing over an arena that doubles. */
class StateTable {
  size = 0;
  /** First field of the next word, by word. */
  private readonly endOf: Uint8Array;
  private readonly shiftOf: Uint8Array;
  private readonly maskOf: Uint8Array;
  private readonly words: number;
  private readonly packed: Uint32Array;
  private arena: Uint32Array;
  private parents: Uint32Array;
  private labels: Uint16Array;
  private slots: Int32Array;

  constructor(private readonly widths: readonly number[]) {
    this.shiftOf = new Uint8Array(widths.length);
    this.maskOf = new Uint8Array(widths.length);
    const ends: number[] = [];
    let shift = 0;
    widths.forEach((width, field) => {
      if (shift + width > 32) {
        ends.push(field);
        shift = 0;
      }
      this.shiftOf[field] = shift;
      this.maskOf[field] = (1 << width) - 1;
      shift += width;
    });
    this.endOf = Uint8Array.from([...ends, widths.length]);
    this.words = this.endOf.length;
    this.packed = new Uint32Array(this.words);
    const capacity = 1 << 14;
    this.arena = new Uint32Array(capacity * this.words);
    this.parents = new Uint32Array(capacity);
    this.labels = new Uint16Array(capacity);
    this.slots = new Int32Array(capacity * 2).fill(-1);
  }

  /** Index of the state if it is new, else -1. */
  add(state: Uint8Array, parent: number, label: number): number {
    const { packed, words, endOf, shiftOf } = this;
    for (let word = 0, field = 0; word < words; word += 1) {
      const end = endOf[word] as number;
      let bits = 0;
      for (; field < end; field += 1) bits |= (state[field] as number) << (shiftOf[field] as number);
      packed[word] = bits;
    }
    let slot = this.slotOf(hash(packed, 0, words));
    for (let at = this.slots[slot] as number; at >= 0; at = this.slots[slot] as number) {
      if (this.equals(at)) return -1;
      slot = (slot + 1) & (this.slots.length - 1);
    }
    if (this.size === this.parents.length) {
      this.grow();
      slot = this.freeSlot(hash(packed, 0, words));
    }
    const at = this.size;
    this.arena.set(packed, at * words);
    this.parents[at] = parent;
    this.labels[at] = label;
    this.slots[slot] = at;
    this.size += 1;
    return at;
  }

  read(at: number, into: Uint8Array): void {
    const base = at * this.words;
    for (let word = 0, field = 0; word < this.words; word += 1) {
      const bits = this.arena[base + word] as number;
      const end = this.endOf[word] as number;
      for (; field < end; field += 1) {
        into[field] = (bits >>> (this.shiftOf[field] as number)) & (this.maskOf[field] as number);
      }
    }
  }

  trace(at: number): Step[] {
    const steps: Step[] = [];
    for (let here = at; ; here = this.parents[here] as number) {
      const state = new Uint8Array(this.widths.length);
      this.read(here, state);
      steps.push({ label: this.labels[here] as number, state });
      if (here === 0) return steps.reverse();
    }
  }

  private equals(at: number): boolean {
    const base = at * this.words;
    for (let word = 0; word < this.words; word += 1) {
      if (this.arena[base + word] !== this.packed[word]) return false;
    }
    return true;
  }

  private slotOf(hashed: number): number {
    return hashed & (this.slots.length - 1);
  }

  private freeSlot(hashed: number): number {
    let slot = this.slotOf(hashed);
    while ((this.slots[slot] as number) >= 0) slot = (slot + 1) & (this.slots.length - 1);
    return slot;
  }

  private grow(): void {
    const capacity = this.parents.length * 2;
    this.arena = widened(this.arena, new Uint32Array(capacity * this.words));
    this.parents = widened(this.parents, new Uint32Array(capacity));
    this.labels = widened(this.labels, new Uint16Array(capacity));
    this.slots = new Int32Array(capacity * 2).fill(-1);
    for (let at = 0; at < this.size; at += 1) {
      this.slots[this.freeSlot(hash(this.arena, at * this.words, this.words))] = at;
    }
  }
}

function widened<T extends Uint32Array | Uint16Array>(from: T, to: T): T {
  to.set(from);
  return to;
}

/** murmur3's mixing, word by word. */
function hash(data: Uint32Array, from: number, words: number): number {
  let mixed = 0x9747b28c;
  for (let word = from; word < from + words; word += 1) {
    let value = Math.imul(data[word] as number, 0xcc9e2d51);
    value = Math.imul((value << 15) | (value >>> 17), 0x1b873593);
    mixed ^= value;
    mixed = Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64;
  }
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
