import fc from 'fast-check';
import { anything, deep, nastyName } from './nasty.js';
import { changedAt, Members, type Path, placesOf, Raw } from './tree.js';

/** The ways to break one place of a value. */
type Fault = (found: unknown) => unknown;

const replaced: fc.Arbitrary<Fault> = anything.map((value) => () => value);
const dropped: fc.Arbitrary<Fault> = fc.constant(() => undefined);

/** Exceeds a limit: longer, more or larger than the original. */
const outOfBounds: fc.Arbitrary<Fault> = fc
  .constantFrom(0, 2, 65, 129, 201, 1001, 2001)
  .map((times) => (found: unknown) => {
    if (typeof found === 'string') return (found || 'x').repeat(times).slice(0, 20_000);
    if (typeof found === 'number') return found * times + (times === 0 ? -1 : 1);
    if (Array.isArray(found))
      return Array.from({ length: times }, (_, index) => found[index % (found.length || 1)] ?? 'x');
    return [found];
  });

const added: fc.Arbitrary<Fault> = fc.tuple(nastyName, anything).map(([name, value]) => (found: unknown) => {
  if (Array.isArray(found)) return [...found, value];
  if (typeof found !== 'object' || found === null || found instanceof Raw) return { [name]: found };
  return new Members([...Object.entries(found), [name, value]]);
});

const twice: fc.Arbitrary<Fault> = fc.tuple(fc.nat(10), anything).map(([place, value]) => (found: unknown) => {
  if (typeof found !== 'object' || found === null || Array.isArray(found) || found instanceof Raw) return value;
  const members = Object.entries(found);
  const chosen = members[place % Math.max(1, members.length)];
  return chosen === undefined ? found : new Members([...members, [chosen[0], value]]);
});

const buried: fc.Arbitrary<Fault> = deep.map((value) => () => value);

const fault: fc.Arbitrary<Fault> = fc.oneof(
  { weight: 6, arbitrary: replaced },
  { weight: 3, arbitrary: dropped },
  { weight: 4, arbitrary: outOfBounds },
  { weight: 3, arbitrary: added },
  { weight: 2, arbitrary: twice },
  { weight: 1, arbitrary: buried },
);

/** Values that are valid except for one or two places. Write them with `render`: not all are JSON. */
export function broken(valid: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  const faults = fc.array(fc.tuple(fc.nat(1000), fault), { minLength: 1, maxLength: 2 });
  return fc.tuple(valid, faults).map(([value, changes]) =>
    changes.reduce<unknown>((current, [place, change]) => {
      // The root is one place of many, and breaking it tests little of the rest.
      const [root, ...inner] = placesOf(current);
      const path = inner[place % (inner.length + (place % 10 === 0 ? 1 : 0))] ?? (root as Path);
      const next = changedAt(current, path, change);
      return next === undefined ? null : next;
    }, value),
  );
}
