/** Why connections to Redis are not taken into use though the server is there; in our own words, fit for everybody to read. */
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
