/**
 * An option of our own among a job's options, which BullMQ keeps as they are; left out for one event.
 *
 * Tells how many events a job was made with, so that jobs can be counted in events without reading their payloads: the scripts
 * find `"events":<n>` in the options. One that is split off as poison later still counts here.
 */
export function countOption(events: number): { readonly events?: number } {
  return events > 1 ? { events } : {};
}

/** @param options of a job, as they lie in Redis, parsed. */
export function eventCount(options: object): number {
  const { events } = options as { readonly events?: unknown };
  return typeof events === 'number' ? events : 1;
}
