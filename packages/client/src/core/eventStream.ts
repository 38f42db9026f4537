/** Ends a subscription. */
type Off = () => void;
type Take<E> = (event: E) => Promise<void>;

/** Events as an async iterator. Each is handled when the next one is asked for. */
export class EventStream<E> implements AsyncIterableIterator<E> {
  private readonly events: { readonly event: E; readonly handled: () => void }[] = [];
  private readonly readers: ((result: IteratorResult<E, undefined>) => void)[] = [];
  private isOver = false;
  /** Of the event that the loop is at. */
  private handled: () => void = () => undefined;
  private readonly off: Off;

  constructor(subscribe: (take: Take<E>) => Off) {
    this.off = subscribe((event) => new Promise((handled) => this.take(event, handled)));
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  private take(event: E, handled: () => void): void {
    this.events.push({ event, handled });
    const reader = this.readers.shift();
    if (reader) reader(this.shift());
  }

  private shift(): IteratorResult<E, undefined> {
    const first = this.events.shift();
    if (!first) return { done: true, value: undefined };
    this.handled = first.handled;
    return { done: false, value: first.event };
  }

  next(): Promise<IteratorResult<E, undefined>> {
    this.handled();
    if (this.events.length > 0 || this.isOver) return Promise.resolve(this.shift());
    return new Promise((resolve) => this.readers.push(resolve));
  }

  return(): Promise<IteratorResult<E, undefined>> {
    this.end();
    return Promise.resolve({ done: true, value: undefined });
  }

  /** The loop ends. What it did not take is nobody's any more. */
  readonly end = (): void => {
    if (this.isOver) return;
    this.isOver = true;
    this.off();
    this.handled();
    for (const { handled } of this.events.splice(0)) handled();
    for (const reader of this.readers.splice(0)) reader({ done: true, value: undefined });
  };
}
