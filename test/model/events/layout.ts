/** Fields of a state: how many bytes, and how many bits of each are used. */
export type Layout = Readonly<Record<string, readonly [count: number, bits: number]>>;

/** Where each field begins. Fields of a layout that extends another lie where they lay. */
export function offsetsOf<L extends Layout>(layout: L): Readonly<Record<keyof L, number>> {
  const at = {} as Record<keyof L, number>;
  let next = 0;
  for (const name of Object.keys(layout) as (keyof L)[]) {
    at[name] = next;
    next += (layout[name] as readonly [number, number])[0];
  }
  return Object.freeze(at);
}

/** Bits per byte of a state, as the explorer wants them. */
export function widthsOf(layout: Layout): number[] {
  return Object.values(layout).flatMap(([count, bits]) => Array<number>(count).fill(bits));
}

/** The bytes of a state, read and written by the offsets of its layout. */
export class Bytes {
  readonly bytes: Uint8Array;
  private readonly words: Uint32Array;

  constructor(readonly length: number) {
    this.words = new Uint32Array(Math.ceil(length / 4));
    this.bytes = new Uint8Array(this.words.buffer, 0, length);
  }

  get(index: number): number {
    return this.bytes[index] as number;
  }

  set(index: number, value: number): void {
    this.bytes[index] = value;
  }

  is(index: number): boolean {
    return this.bytes[index] !== 0;
  }

  equals(other: Bytes): boolean {
    for (let word = 0; word < this.words.length; word += 1) if (this.words[word] !== other.words[word]) return false;
    return true;
  }

  /** By words: the search copies a state for every step it tries. */
  copy(from: Bytes): void {
    for (let word = 0; word < this.words.length; word += 1) this.words[word] = from.words[word] as number;
  }
}
