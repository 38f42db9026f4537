import type { TestCatalogue } from './testCatalogue.js';
import type { TestUser } from './testUsers.js';

type Data = Readonly<Record<string, unknown>>;

/** What a user is subscribed to, and the messages that change it. The choices outlive the connection. */
export class TestSubscriptions {
  private readonly user: TestUser;
  private readonly catalogue: TestCatalogue;
  private readonly defaults: readonly string[];
  private readonly has: (permission: string) => boolean;

  /** @param has whether the present token has a permission. */
  constructor(
    user: TestUser,
    {
      catalogue,
      defaultSubscriptions,
    }: { readonly catalogue: TestCatalogue; readonly defaultSubscriptions: readonly string[] },
    has: (permission: string) => boolean,
  ) {
    this.user = user;
    this.catalogue = catalogue;
    this.defaults = defaultSubscriptions;
    this.has = has;
  }

  get types(): string[] {
    const chosen = [...this.user.choices].flatMap(([type, isChosen]) => (isChosen ? [type] : []));
    const byCategory = [...this.user.categories].flatMap((category) => this.catalogue.typesOf(category));
    return [...new Set([...this.defaults, ...byCategory, ...chosen])].filter((type) => {
      return this.user.choices.get(type) !== false && this.maySubscribe(type);
    });
  }

  /** The data of `subscription_info`. */
  info(limit: number): Data {
    const { types, catalogue } = this;
    return {
      subscriptions: types,
      categories: [...new Set(types.map((type) => catalogue.get(type)?.category ?? ''))].sort(),
      subscribed_categories: [...this.user.categories],
      available: catalogue.names().filter((type) => this.maySubscribe(type)),
      limit,
    };
  }

  /** Changes types. Returns the data of `subscription_updated`. */
  change(types: readonly string[], isChosen: boolean): Data {
    const errors: Data[] = [];
    for (const type of new Set(types)) {
      if (this.catalogue.get(type) === null) errors.push({ event_type: type, error: 'unknown_event_type' });
      else if (isChosen && !this.maySubscribe(type)) errors.push({ event_type: type, error: 'permission_denied' });
      else this.user.choices.set(type, isChosen);
    }
    return { subscriptions: this.types, errors, updated_at: new Date().toISOString() };
  }

  /** Changes categories. Returns the data of `category_subscription_updated`. */
  changeCategories(names: readonly string[], isChosen: boolean): Data {
    const errors: Data[] = [];
    for (const category of new Set(names)) {
      const types = this.catalogue.typesOf(category);
      if (types.length === 0) {
        errors.push({ category, error: 'unknown_category' });
        continue;
      }
      if (isChosen) this.user.categories.add(category);
      else this.user.categories.delete(category);
      for (const type of types) {
        if (!isChosen) this.user.choices.set(type, false);
        else if (this.maySubscribe(type)) this.user.choices.delete(type);
        else errors.push({ category, event_type: type, error: 'permission_denied' });
      }
    }
    const categories = [...this.user.categories];
    return { categories, subscriptions: this.types, errors, updated_at: new Date().toISOString() };
  }

  private maySubscribe(type: string): boolean {
    const definition = this.catalogue.get(type);
    return definition !== null && this.has(definition.permission);
  }
}
