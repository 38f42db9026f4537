/** A piece of text to be written as it is, JSON or not: `NaN`, `1e999`, ten thousand brackets. */
export class Raw {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  /** For fast-check's reports. */
  toString(): string {
    return `Raw(${this.text.slice(0, 80)})`;
  }
}

/** An object as a list of members, so that a name can occur twice. */
export class Members {
  readonly list: readonly (readonly [name: string, value: unknown])[];

  constructor(list: readonly (readonly [name: string, value: unknown])[]) {
    this.list = list;
  }

  toString(): string {
    return `Members(${render(this).slice(0, 80)})`;
  }
}

/** The JSON text of a value that may contain `Raw` parts and `Members`. */
export function render(value: unknown): string {
  if (value instanceof Raw) return value.text;
  if (value instanceof Members) return object(value.list);
  if (Array.isArray(value)) return `[${value.map(render).join(',')}]`;
  if (typeof value === 'object' && value !== null) return object(Object.entries(value));
  return JSON.stringify(value) ?? 'null';
}

function object(members: readonly (readonly [string, unknown])[]): string {
  return `{${members.map(([name, value]) => `${JSON.stringify(name)}:${render(value)}`).join(',')}}`;
}

export type Path = readonly (string | number)[];

/** All places in a value, the root first, except inside `Raw` and `Members`. */
export function placesOf(value: unknown, at: Path = []): Path[] {
  const inner = isBranch(value) ? Object.entries(value) : [];
  const key = (name: string): string | number => (Array.isArray(value) ? Number(name) : name);
  return [at, ...inner.flatMap(([name, child]) => placesOf(child, [...at, key(name)]))];
}

/** A copy with one place replaced. @param change gets the old value; `undefined` removes it. */
export function changedAt(value: unknown, path: Path, change: (found: unknown) => unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return change(value);
  if (!isBranch(value)) return value;
  const entries = Object.entries(value).flatMap(([name, child]): [string, unknown][] => {
    if (name !== String(key)) return [[name, child]];
    const next = changedAt(child, rest, change);
    return next === undefined ? [] : [[name, next]];
  });
  // `fromEntries` makes `__proto__` an ordinary member.
  return Array.isArray(value) ? entries.map(([, child]) => child) : Object.fromEntries(entries);
}

function isBranch(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !(value instanceof Raw) && !(value instanceof Members);
}
