/** Values that a careless client sends in the place of another. */
const STRANGE: readonly unknown[] = [null, true, -1, 0.5, '', 'x', 'x'.repeat(3000), [], [''], [7], {}, { a: 1 }];

/**
 * What can be made of a JSON value by changing one place: something strange instead of it, a property that is missing, and one that
 * nobody knows. The value itself comes first.
 *
 * @param fields further properties that get strange values, of the value or of the first item of a list.
 */
export function variants(value: unknown, fields: readonly string[]): unknown[] {
  if (value === undefined) return [];
  const [first, ...rest] = Array.isArray(value) ? value : [value];
  const added = fields.flatMap((field) => STRANGE.map((strange) => ({ ...first, [field]: strange })));
  const all = [value, ...changed(value, 2), ...added.map((item) => (Array.isArray(value) ? [item, ...rest] : item))];
  return [...new Map(all.map((one) => [JSON.stringify(one), one])).values()];
}

function changed(value: unknown, levels: number): unknown[] {
  const others = STRANGE.filter((strange) => JSON.stringify(strange) !== JSON.stringify(value));
  if (levels === 0) return others;
  if (Array.isArray(value)) {
    const [first, ...rest] = value;
    return [...others, ...(value.length > 0 ? changed(first, levels - 1).map((inner) => [inner, ...rest]) : [])];
  }
  if (typeof value !== 'object' || value === null) return others;
  const entries = Object.entries(value);
  return [
    ...others,
    { ...value, no_such_property: 1 },
    ...entries.map(([name]) => Object.fromEntries(entries.filter(([other]) => other !== name))),
    ...entries.flatMap(([name, inner]) => changed(inner, levels - 1).map((strange) => ({ ...value, [name]: strange }))),
  ];
}
