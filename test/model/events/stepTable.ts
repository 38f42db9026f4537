/** The steps of a model and how a trace tells them: `{a}` and `{b}` are numbers of 0–15. */
export interface StepTable<Name extends string> {
  readonly Step: Readonly<Record<Name, number>>;
  describe(label: number): string;
}

export function stepTable<Name extends string>(texts: Readonly<Record<Name, string>>): StepTable<Name> {
  const names = Object.keys(texts) as Name[];
  return {
    Step: Object.freeze(Object.fromEntries(names.map((name, index) => [name, index]))) as Readonly<
      Record<Name, number>
    >,
    describe(label) {
      const text = texts[names[label >> 8] as Name];
      return text.replace('{a}', String((label >> 4) & 15)).replace('{b}', String(label & 15));
    },
  };
}

export function labelOf(step: number, a: number, b: number): number {
  return step * 256 + a * 16 + b;
}
