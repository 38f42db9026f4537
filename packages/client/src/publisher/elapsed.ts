/**
 * Time since it was made. `ms` goes by the monotonic clock. `atLeastMs` goes by whichever clock shows more: the monotonic clock stands
 * still while the machine is suspended, and the server forgets ids all the same.
 */
export class Elapsed {
  private readonly mono = performance.now();
  private readonly wall = Date.now();

  get ms(): number {
    return performance.now() - this.mono;
  }

  get atLeastMs(): number {
    return Math.max(this.ms, Date.now() - this.wall);
  }
}
