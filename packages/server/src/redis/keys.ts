/**
 * Names of all Redis keys and channels. Hash tags keep what one script touches in one slot: one per user, one
 * for the broadcast log, one per lease, one per queue.
 */
export class Keys {
  readonly prefix: string;
  /** The number of the database. */
  readonly database: number;
  private readonly channels: string;

  constructor(prefix: string, database = 0) {
    this.prefix = prefix;
    this.database = database;
    // Pub/sub ignores databases. No prefix contains an `@`, so no two installations share a channel. Database 0 keeps the
    // former names: nodes of the former version hear the others.
    this.channels = database === 0 ? prefix : `${prefix}@${database}`;
  }

  /** The registry entry of a user: owner, lease, fence, replaced owners. */
  conn(userId: string): string {
    return `${this.user(userId)}:conn`;
  }
  revoked(userId: string): string {
    return `${this.user(userId)}:revoked`;
  }
  subs(userId: string): string {
    return `${this.user(userId)}:subs`;
  }
  /** The user's connections that the registry does not hold: connection -> note, with its lease. Named after the first such connections. */
  noted(userId: string): string {
    return `${this.user(userId)}:legacy`;
  }
  prefs(userId: string): string {
    return `${this.user(userId)}:prefs`;
  }
  /** The mailbox of a user: a stream. */
  box(userId: string): string {
    return `${this.user(userId)}:box`;
  }
  boxmeta(userId: string): string {
    return `${this.user(userId)}:boxmeta`;
  }
  /** Ids that were appended to the mailbox (L2): in the running window, and in the one before. */
  boxIds(userId: string, window: 'a' | 'b'): string {
    return `${this.user(userId)}:ids:${window}`;
  }
  /** The same for nodes of the build before short ids. */
  boxseen(userId: string): string {
    return `${this.user(userId)}:seen`;
  }
  /** lease -> beat, of the whole cluster. */
  nodes(): string {
    return `${this.prefix}:nodes`;
  }
  /** lease -> card of its node. In the slot of the beats: one script writes both. */
  nodeCards(): string {
    return `{${this.nodes()}}:cards`;
  }
  /** Cluster time, in the slot of `nodes`. */
  time(): string {
    return `{${this.nodes()}}:time`;
  }
  /** The mark of a process on the shard of this tag (C12). */
  mark(tag: string, process: string): string {
    return `${this.prefix}:{${tag}}:mark:${process}`;
  }
  nodeInfo(lease: string): string {
    return `${this.prefix}:{n:${lease}}:info`;
  }
  /** The users of a lease: always a superset (C11). */
  nodeUsers(lease: string): string {
    return `${this.prefix}:{n:${lease}}:users`;
  }
  logStream(): string {
    return `${this.prefix}:{log}:s`;
  }
  logMeta(): string {
    return `${this.prefix}:{log}:meta`;
  }
  /** Ids that were appended to the log (L2): in the running window, and in the one before. */
  logIds(window: 'a' | 'b'): string {
    return `${this.prefix}:{log}:ids:${window}`;
  }
  /** The same for nodes of the build before short ids; so is the next. */
  logSeenA(): string {
    return `${this.prefix}:{log}:seen:a`;
  }
  logSeenB(): string {
    return `${this.prefix}:{log}:seen:b`;
  }
  audit(): string {
    return `${this.prefix}:audit`;
  }
  /** The node that clears the event queue, and its progress. */
  clearTurn(): string {
    return `${this.prefix}:clear`;
  }
  /** The node that is starting a drain. */
  drainTurn(): string {
    return `${this.prefix}:drainturn`;
  }
  /** The former server's users that are assigned to the unified endpoint. */
  rollout(): string {
    return `${this.prefix}:rollout`;
  }
  /** The number of queue partitions that this cluster was started with (Q7). */
  partitions(): string {
    return `${this.prefix}:partitions`;
  }
  /** The installation that owns the event queue in this Redis. */
  queueOwner(): string {
    return `${this.prefix}:queuedeed`;
  }
  /** Never written: stands for any key in checks of permissions. */
  inspection(): string {
    return `${this.prefix}:inspection`;
  }
  /** Names this installation; in the slot of the beats, which write it. */
  installation(): string {
    return `{${this.nodes()}}:installation`;
  }
  /** The lock of housekeeping: one node at a time (C11). */
  housekeeping(): string {
    return `${this.prefix}:housekeeping`;
  }
  /** BullMQ prefix of a partition, or of the urgent lane (`u`). */
  queuePrefix(partition: number | 'u'): string {
    return `{${this.prefix}:q${partition}}`;
  }
  /** Outcomes of the events of a queue that ended within one bucket of time. */
  outcomes(partition: number | 'u', bucket: number): string {
    return `${this.queuePrefix(partition)}:told:${bucket}`;
  }
  /** Records of the events of a queue: a stream. */
  recent(partition: number | 'u'): string {
    return `${this.queuePrefix(partition)}:recent`;
  }
  /** The same as `outcomes` for nodes of the build before short ids. */
  oldOutcomes(partition: number | 'u', bucket: number): string {
    return `${this.queuePrefix(partition)}:fates:${bucket}`;
  }
  eventsChannel(): string {
    return `${this.channels}:ev`;
  }
  /** Messages for one node only. Named by lease, so that a restarted node never answers for its former self (C10). */
  nodeChannel(lease: string): string {
    return `${this.channels}:n:${lease}`;
  }

  private user(userId: string): string {
    return `${this.prefix}:{u:${encodeURIComponent(userId)}}`;
  }
}
