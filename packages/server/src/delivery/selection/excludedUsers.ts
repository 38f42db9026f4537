import type { StoredEvent } from '../../events/event/storedEvent.js';

/** Users whom some of the events exclude; null: none, which is nearly always. */
export function excludedUsers(entries: readonly { readonly event: StoredEvent }[]): ReadonlySet<string> | null {
  let users: Set<string> | null = null;
  for (const { event } of entries) {
    if (event.exclude === undefined || event.exclude.length === 0) continue;
    users ??= new Set();
    for (const user of event.exclude) users.add(user);
  }
  return users;
}
