/** The value of a metric of a node. `name` includes the labels as written. NaN if the metric is absent. */
export async function metricOf(node: { readonly http: string }, name: string): Promise<number> {
  const response = await fetch(`${node.http}/metrics`);
  const line = (await response.text()).split('\n').find((one) => one.startsWith(`${name} `));
  return line === undefined ? Number.NaN : Number(line.slice(name.length + 1));
}
