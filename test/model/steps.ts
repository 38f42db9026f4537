/** Every step of the model and how a trace tells it: `{a}` and `{b}` are numbers of connections (c) or nodes (n). */
const TEXT = {
  start: 'nobody is connected',
  connect: 'c{a} connects',
  claim: 'claim.lua runs for c{a}',
  claimKnowing: 'claim.lua runs for c{a}, which knows the dead leases',
  claimed: 'the reply of claim.lua reaches c{a}',
  evict: 'the evict of c{a} by c{b} arrives',
  ack: 'the acknowledgement of c{a} reaches c{b}',
  resend: 'c{b} sends the evict of c{a} again',
  stopWaiting: 'c{b} waits no longer for c{a}: lease known dead, or replace time-out',
  settle: 'settle.lua runs for c{a}',
  establish: 'c{a} is established',
  clientCloses: 'the client of c{a} closes',
  release: 'release.lua runs for c{a}',
  read: 'reconcile.lua reads for c{a}',
  readKnowing: 'reconcile.lua reads for c{a}, which knows the dead leases',
  reclaim: 'the re-claim of c{a} runs',
  reclaimKnowing: 'the re-claim of c{a} runs, which knows the dead leases',
  sweep: 'the sweep reads for c{a}',
  sweepKnowing: 'the sweep reads for c{a}, which knows the dead leases',
  pause: 'n{a} is paused',
  resume: 'n{a} resumes',
  freeze: 'n{a} stops, and its clocks with it',
  outlive: 'the right of n{a} is over, but not by its clocks',
  thaw: 'n{a} goes on, and so do its clocks',
  learn: 'n{a} learns that its clocks stood still',
  cut: 'n{a} is cut off from Redis',
  heal: 'n{a} is linked again',
  deafen: 'n{a} hears nothing of the bus any more',
  hear: 'n{a} hears the bus again, its lease unbroken',
  expire: 'n{a} loses the right to deliver: validUntil has passed',
  renew: 'n{a} takes a new lease',
  check: 'the lease of n{a} is known dead to the other nodes',
  expireOld: 'the former lease of n{a} is known dead to the other nodes',
  kill: 'n{a} is killed',
  stop: 'n{a} stops: its sockets are closed, its lease is ended',
  loseEvict: 'the evict of c{a} by c{b} is lost',
  loseAck: 'the acknowledgement of c{a} to c{b} is lost',
  empty: 'Redis is emptied',
  lag: 'the replica falls behind',
  failOver: 'Redis fails over: what came after is lost',
  notice: 'n{a} notices that its links broke',
  lagAlone: 'the replica of the user’s shard falls behind',
  failOverAlone: 'the user’s shard fails over: what came after is lost, and no link breaks',
  mark: 'n{a} asks the user’s shard, which answers, for its mark',
  kick: 'kick.lua runs against c{a}',
  reap: 'the entry of c{a} is reaped',
} as const;

export type StepName = keyof typeof TEXT;

const names = Object.keys(TEXT) as StepName[];
export const Step = Object.freeze(Object.fromEntries(names.map((name, index) => [name, index]))) as Readonly<
  Record<StepName, number>
>;

/** A step with up to two numbers of 0–3, in 16 bits. */
export function labelOf(step: number, a: number, b: number): number {
  return step * 16 + a * 4 + b;
}

export function describeStep(label: number): string {
  const name = names[label >> 4] as StepName;
  const b = label & 3;
  return TEXT[name].replace('{a}', String((label >> 2) & 3)).replace('c{b}', b === 3 ? 'the admin' : `c${b}`);
}
