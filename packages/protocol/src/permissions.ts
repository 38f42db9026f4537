export type Permission =
  | 'events:receive'
  | 'events:admin'
  | 'events:sensitive'
  | 'events:publish'
  | 'admin:stats'
  | 'admin:connections'
  | 'admin:disconnect'
  | 'admin:broadcast'
  | 'admin:queue'
  | 'admin:queue_write'
  | 'admin:cluster'
  | 'admin:audit';

/** Every permission that the product itself asks for, with its meaning. A catalogue may name others for its event types. */
export const permissions: Readonly<Record<Permission, string>> = {
  'events:receive': 'subscribe to and receive the events that are open to every user',
  'events:admin': 'subscribe to and receive the events meant for administrators',
  'events:sensitive': 'see the fields of events that are marked as sensitive',
  'events:publish': 'publish events',
  'admin:stats': 'read statistics, health details, errors and nodes of the cluster',
  'admin:connections': "read who is connected, single connections and users' mailboxes",
  'admin:disconnect': "disconnect, ban and revoke users, and change their permissions' state",
  'admin:broadcast': 'send an announcement to everybody',
  'admin:queue': 'read the event queue and its jobs',
  'admin:queue_write': 'clear, retry, pause and resume the event queue',
  'admin:cluster': 'drain nodes, reload the catalogue, steer a roll-out',
  'admin:audit': 'read the record of admin actions',
};
