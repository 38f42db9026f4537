import type { TestEventType } from './testOptions.js';

const DEFAULT_TYPE = {
  category: 'custom',
  priority: 'normal',
  severity: 'info',
  permission: 'events:receive',
  delivery: 'durable',
} as const satisfies Required<TestEventType>;

/** The event types that exist. */
export class TestCatalogue {
  private readonly types: Map<string, Required<TestEventType>>;
  private readonly isOpen: boolean;

  /** @param types left out: every type that is asked for exists. */
  constructor(types: Readonly<Record<string, TestEventType>> | undefined) {
    this.isOpen = types === undefined;
    this.types = new Map(Object.entries(types ?? {}).map(([name, type]) => [name, { ...DEFAULT_TYPE, ...type }]));
  }

  /** Null: there is no such type. */
  get(name: string): Required<TestEventType> | null {
    const type = this.types.get(name);
    if (type || !this.isOpen) return type ?? null;
    this.types.set(name, DEFAULT_TYPE);
    return DEFAULT_TYPE;
  }

  names(): string[] {
    return [...this.types.keys()];
  }

  /** Empty: there is no such category. */
  typesOf(category: string): string[] {
    return this.names().filter((name) => this.types.get(name)?.category === category);
  }
}
