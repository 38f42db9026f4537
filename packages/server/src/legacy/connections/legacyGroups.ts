import { LEGACY_GROUPS, LEGACY_PATHS, type LegacyGroup } from '@unified-ws/protocol';
import type { Clearance } from '../../delivery/selection/clearances.js';
import { maySubscribe } from '../../delivery/selection/subscriptions.js';
import type { EventCatalogue } from '../../events/catalogue/eventCatalogue.js';

const ZONES_AND_RECORDS = [
  'zone_created',
  'zone_updated',
  'zone_deleted',
  'record_created',
  'record_updated',
  'record_deleted',
] as const;

/** Default event types of each group in the predecessor (docs/MIGRATION.md). Types that the catalogue lacks are left out. */
const DEFAULTS: Readonly<Record<LegacyGroup, readonly string[]>> = {
  health: ['health_update', 'health_alert', 'forwarder_status_change', 'system_status'],
  dns_management: [...ZONES_AND_RECORDS, 'bind_reload', 'config_change'],
  security: ['security_alert', 'rpz_update', 'threat_detected', 'system_status'],
  system: ['system_status', 'bind_reload', 'config_change', 'user_login', 'user_logout'],
  admin: [
    'health_update',
    'health_alert',
    'forwarder_status_change',
    'system_status',
    ...ZONES_AND_RECORDS,
    'bind_reload',
    'config_change',
    'security_alert',
    'rpz_update',
    'threat_detected',
    'user_login',
    'user_logout',
    'session_expired',
  ],
};

/** F19 of the predecessor: its `admin` endpoint was open to every user. */
const NEEDED: Partial<Readonly<Record<LegacyGroup, string>>> = { admin: 'events:admin' };

const BY_PATH: ReadonlyMap<string, LegacyGroup> = new Map(
  LEGACY_GROUPS.flatMap((group) => LEGACY_PATHS.map((path) => [path.replace('<group>', group), group] as const)),
);

/** The group of an upgrade's path, without query and trailing slash; null: not a legacy path. */
export function groupOfPath(path: string): LegacyGroup | null {
  return BY_PATH.get(path) ?? null;
}

/** The permission that a group's endpoint requires; null: none. */
export function permissionOf(group: LegacyGroup): string | null {
  return NEEDED[group] ?? null;
}

export function mayUse(group: LegacyGroup, clearance: Clearance | null): boolean {
  const needed = permissionOf(group);
  return needed === null || clearance?.permissions.has(needed) === true;
}

/**
 * The event types that a connection of the group receives.
 *
 * @param asked event types of the client's `subscribe_events`; null: it never sent one, so the group's defaults apply.
 */
export function typesOf(
  group: LegacyGroup,
  asked: readonly string[] | null,
  clearance: Clearance,
  catalogue: EventCatalogue,
): string[] {
  if (!mayUse(group, clearance)) return [];
  const defaults = DEFAULTS[group];
  const categories = new Set(catalogue.categoriesOf(group));
  const inGroup = (type: string): boolean =>
    defaults.includes(type) || categories.has(catalogue.get(type)?.category ?? '');
  return (asked ?? defaults).filter((type) => inGroup(type) && maySubscribe(type, clearance, catalogue));
}
