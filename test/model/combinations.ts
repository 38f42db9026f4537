/** Every choice of `count` out of `among`, the same one several times included. */
export function combinations<T>(among: readonly T[], count: number): T[][] {
  if (count === 0) return [[]];
  return among.flatMap((one, index) => combinations(among.slice(index), count - 1).map((others) => [one, ...others]));
}
