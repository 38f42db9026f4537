export type Permission =
  | 'events:receive'
  | 'events:admin'
  | 'events:sensitive'
  | 'events:publish'
  | 'events:publish_admin'
  | 'admin:stats'
  | 'admin:connections'
  | 'admin:disconnect'
  | 'admin:permissions'
  | 'admin:broadcast'
  | 'admin:queue'
  | 'admin:queue_control'
  | 'admin:queue_write'
  | 'admin:drain'
  | 'admin:cluster'
  | 'admin:audit';

/** Every permission that the product itself requires, with its meaning. A catalogue may name others for its event types. */
export const permissions: Readonly<Record<Permission, string>> = {
  'events:receive': 'subscribe to and receive the events that are open to every user',
  'events:admin': 'subscribe to and receive the events meant for administrators',
  'events:sensitive': 'see the fields of events that are marked as sensitive',
  'events:publish': 'publish events',
  'events:publish_admin': 'publish events meant for administrators; events:publish is needed too',
  'admin:stats': 'read statistics, health details, errors and nodes of the cluster',
  'admin:connections': 'read the list of connections, single connections and mailboxes',
  'admin:disconnect': 'disconnect, ban and revoke users, and lift bans',
  'admin:permissions': "change the roles and permissions of users, up to the caller's own",
  'admin:broadcast': 'send an announcement to all users',
  'admin:queue': 'read the event queue and its jobs',
  'admin:queue_control': 'pause and resume the event queue, and retry failed jobs',
  'admin:queue_write': 'clear the event queue and delete jobs; includes admin:queue_control',
  'admin:drain': 'drain nodes',
  'admin:cluster': 'reload the catalogue and control a roll-out; includes admin:drain',
  'admin:audit': 'read the audit record',
};

/** Permissions that include others: a caller with the key also has the listed permissions. */
export const impliedPermissions: Readonly<Partial<Record<Permission, readonly Permission[]>>> = {
  'admin:queue_write': ['admin:queue_control'],
  'admin:cluster': ['admin:drain'],
};
