/** Why connections to Redis are not used although the server answers; in our own words, safe to show to anyone. */
export class ConnectionFaults {
  private readonly faults = new Map<object, string>();

  set(connection: object, fault: string): void {
    this.faults.set(connection, fault);
  }

  clear(connection: object): void {
    this.faults.delete(connection);
  }

  /** Each once. */
  list(): readonly string[] {
    return [...new Set(this.faults.values())];
  }
}
