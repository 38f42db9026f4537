// Made by `npm run docs` from packages/protocol/src/messages.

/** Every request, with its data and the data of its reply. */
export interface RequestMap {
  /** Asks whether the connection works. */
  readonly ping: {
    readonly data: Readonly<Record<string, never>>;
    readonly reply: { readonly timestamp: string; readonly connection_health: boolean; readonly uptime: number };
  };
  /** Asks which event types are subscribed, and which are available. */
  readonly get_subscription_info: {
    readonly data: Readonly<Record<string, never>>;
    readonly reply: {
      readonly subscriptions: readonly string[];
      readonly categories: readonly string[];
      readonly subscribed_categories: readonly string[];
      readonly available: readonly string[];
      readonly limit: number;
    };
  };
  /** Asks for facts about this connection. */
  readonly get_connection_status: {
    readonly data: Readonly<Record<string, never>>;
    readonly reply: {
      readonly user_id: string;
      readonly username: string | null;
      readonly connection_id: string;
      readonly node_id: string;
      readonly status: 'connecting' | 'connected' | 'recovering' | 'error' | 'disconnecting' | 'disconnected';
      readonly connected_at: string;
      readonly is_healthy: boolean;
      readonly health_reasons: readonly (
        | 'establishing'
        | 'suspended'
        | 'congested'
        | 'backlog'
        | 'unanswered_ping'
        | 'errors'
      )[];
      readonly subscriptions: readonly string[];
      readonly message_count: number;
      readonly last_activity: string;
      readonly fence: number;
    };
  };
  /** Asks how healthy this connection is. */
  readonly health_check: {
    readonly data: Readonly<Record<string, never>>;
    readonly reply: {
      readonly connection_healthy: boolean;
      readonly health_reasons: readonly (
        | 'establishing'
        | 'suspended'
        | 'congested'
        | 'backlog'
        | 'unanswered_ping'
        | 'errors'
      )[];
      readonly websocket_state: 'connecting' | 'connected' | 'recovering' | 'error' | 'disconnecting' | 'disconnected';
      readonly last_ping: string | null;
      readonly last_pong: string | null;
      readonly message_queue_size: number;
      readonly consecutive_errors: number;
      readonly server_time: string;
      readonly node: string;
    };
  };
  /** Changes the preferences that are given; the others stay. */
  readonly set_message_preferences: {
    readonly data: {
      readonly preferences: {
        readonly batch_messages?: boolean;
        readonly compress_data?: boolean;
        readonly max_message_rate?: number;
        readonly priority_filter?: 'low' | 'normal' | 'high' | 'critical';
        readonly muted_event_types?: readonly string[];
        readonly categories?: readonly string[];
      };
    };
    readonly reply: {
      readonly preferences: {
        readonly batch_messages: boolean;
        readonly compress_data: boolean;
        readonly max_message_rate: number;
        readonly priority_filter: 'low' | 'normal' | 'high' | 'critical';
        readonly muted_event_types: readonly string[];
        readonly categories: readonly string[];
      };
      readonly updated_at: string;
    };
  };
  /** Asks for the preferences of the user. */
  readonly get_message_preferences: {
    readonly data: Readonly<Record<string, never>>;
    readonly reply: {
      readonly preferences: {
        readonly batch_messages: boolean;
        readonly compress_data: boolean;
        readonly max_message_rate: number;
        readonly priority_filter: 'low' | 'normal' | 'high' | 'critical';
        readonly muted_event_types: readonly string[];
        readonly categories: readonly string[];
      };
      readonly default_preferences: {
        readonly batch_messages: boolean;
        readonly compress_data: boolean;
        readonly max_message_rate: number;
        readonly priority_filter: 'low' | 'normal' | 'high' | 'critical';
        readonly muted_event_types: readonly string[];
        readonly categories: readonly string[];
      };
    };
  };
  /** Closes the connection of a user on any node, and bans the user if ban_seconds is given. */
  readonly disconnect_user: {
    readonly data: { readonly user_id: string; readonly reason?: string; readonly ban_seconds?: number };
    readonly reply: {
      readonly user_id: string;
      readonly result: 'closed' | 'not_connected' | 'node_unreachable';
      readonly node_id: string | null;
      readonly reason: string | null;
      readonly legacy_closed?: number;
      readonly took_ms: number;
    };
  };
  /** Publishes one event. */
  readonly publish_event: {
    readonly data: {
      readonly event_type: string;
      readonly data: Readonly<Record<string, unknown>>;
      readonly id?: string;
      readonly priority?: 'low' | 'normal' | 'high' | 'critical' | 'urgent';
      readonly severity?: 'debug' | 'info' | 'warning' | 'error' | 'critical';
      readonly metadata?: Readonly<Record<string, unknown>>;
      readonly target_user_ids?: readonly string[];
      readonly roles?: readonly string[];
      readonly permission?: string;
      readonly exclude?: readonly string[];
      readonly ordering_key?: string;
      readonly delivery?: 'durable' | 'ephemeral';
      readonly conflation_key?: string;
      readonly delay_ms?: number;
      readonly deliver_at?: string;
      readonly expires_at?: string;
    };
    readonly reply: {
      readonly event_id: string;
      readonly queue: string;
      readonly duplicate: boolean;
      readonly payload_differs: boolean;
    };
  };
  /** Asks for the state of the event queue, and optionally for a page of its jobs. */
  readonly get_event_queue_status: {
    readonly data: {
      readonly jobs?: {
        readonly state: 'waiting' | 'active' | 'delayed' | 'failed' | 'completed';
        readonly start?: number;
        readonly end?: number;
      };
    };
    readonly reply: {
      readonly generated_at: string;
      readonly queue_size: number;
      readonly queue_max: number;
      readonly counts: {
        readonly waiting: { readonly jobs: number; readonly events: number; readonly events_estimated: boolean };
        readonly active: { readonly jobs: number; readonly events: number; readonly events_estimated: boolean };
        readonly delayed: { readonly jobs: number; readonly events: number; readonly events_estimated: boolean };
        readonly failed: { readonly jobs: number; readonly events: number; readonly events_estimated: boolean };
        readonly completed: { readonly jobs: number; readonly events: number; readonly events_estimated: boolean };
      };
      readonly partitions: readonly {
        readonly queue: string;
        readonly paused: boolean;
        readonly counts: {
          readonly waiting: { readonly jobs: number; readonly events: number; readonly events_estimated: boolean };
          readonly active: { readonly jobs: number; readonly events: number; readonly events_estimated: boolean };
          readonly delayed: { readonly jobs: number; readonly events: number; readonly events_estimated: boolean };
          readonly failed: { readonly jobs: number; readonly events: number; readonly events_estimated: boolean };
          readonly completed: { readonly jobs: number; readonly events: number; readonly events_estimated: boolean };
        };
        readonly oldest_age_ms: number | null;
        readonly active_on: string | null;
      }[];
      readonly oldest_age_ms: number | null;
      readonly paused: boolean;
      readonly workers: readonly {
        readonly node_id: string;
        readonly standing_aside: boolean;
        readonly processed_per_minute: number;
        readonly failed_per_minute: number;
        readonly lanes: readonly {
          readonly queue: string;
          readonly processed: number;
          readonly failed: number;
          readonly direct: number;
          readonly queued: number;
          readonly retrying: { readonly since: string; readonly attempts: number } | null;
        }[];
      }[];
      readonly processed_per_minute: number;
      readonly failed_per_minute: number;
      readonly clearing: {
        readonly by: string;
        readonly node_id: string;
        readonly started_at: string;
        readonly cleared_jobs: number;
        readonly cleared_events: number;
      } | null;
      readonly missing_nodes: readonly string[];
      readonly jobs?: {
        readonly state: 'waiting' | 'active' | 'delayed' | 'failed' | 'completed';
        readonly start: number;
        readonly end: number;
        readonly total: number;
        readonly jobs: readonly {
          readonly id: string;
          readonly queue: string;
          readonly state: 'waiting' | 'active' | 'delayed' | 'failed' | 'completed';
          readonly event_type: string;
          readonly event_count: number;
          readonly publisher: string | null;
          readonly ordering_key: string | null;
          readonly added_at: string;
          readonly due_at: string;
          readonly started_at: string | null;
          readonly finished_at: string | null;
          readonly node_id: string | null;
          readonly failed_reason: string | null;
          readonly bytes: number;
          readonly events: readonly {
            readonly id: string;
            readonly type: string;
            readonly priority?: string;
            readonly severity?: string;
            readonly timestamp?: string;
            readonly data?: Readonly<Record<string, unknown>>;
            readonly metadata?: Readonly<Record<string, unknown>>;
            readonly withheld?: 'permission' | 'too_large';
          }[];
          readonly withheld?: 'permission' | 'too_large';
        }[];
      };
    };
  };
  /** Asks for a page of the events that were appended, failed or expired lately, the newest first. */
  readonly list_events: {
    readonly data: {
      readonly event_type?: string;
      readonly publisher?: string;
      readonly from?: string;
      readonly to?: string;
      readonly limit?: number;
      readonly cursor?: string;
    };
    readonly reply: {
      readonly events: readonly {
        readonly event_id: string;
        readonly status: 'appended' | 'failed' | 'expired';
        readonly queue: string;
        readonly event_type: string;
        readonly publisher: string;
        readonly way: 'direct' | 'queued';
        readonly accepted_at: string;
        readonly ended_at: string;
        readonly target_count: number | null;
        readonly positions?: readonly { readonly user_id: string | null; readonly position: string }[];
        readonly withheld?: 'permission';
      }[];
      readonly next_cursor: string | null;
    };
  };
  /** Removes jobs that were added before this request. The queue keeps working; active jobs stay. */
  readonly clear_event_queue: {
    readonly data: {
      readonly states?: readonly ('waiting' | 'delayed' | 'failed' | 'completed')[];
      readonly event_types?: readonly string[];
      readonly older_than_ms?: number;
      readonly dry_run?: boolean;
      readonly reason?: string;
    };
    readonly reply: {
      readonly cleared_events: number;
      readonly cleared_jobs: number;
      readonly by_state: {
        readonly waiting?: { readonly jobs: number; readonly events: number };
        readonly delayed?: { readonly jobs: number; readonly events: number };
        readonly failed?: { readonly jobs: number; readonly events: number };
        readonly completed?: { readonly jobs: number; readonly events: number };
      };
      readonly skipped_active: number;
      readonly dry_run: boolean;
      readonly complete: boolean;
      readonly took_ms: number;
      readonly cleared_at: string;
    };
  };
  /** Puts failed jobs at the end of their queues again; their order per key is lost. */
  readonly retry_failed_events: {
    readonly data: {
      readonly ids?: readonly string[];
      readonly event_types?: readonly string[];
      readonly limit?: number;
      readonly reason?: string;
    };
    readonly reply: {
      readonly retried_jobs: number;
      readonly retried_events: number;
      readonly not_failed: readonly string[];
      readonly remaining_failed: number;
      readonly complete: boolean;
      readonly retried_at: string;
    };
  };
  /** Stops starting jobs on all nodes, also after restarts, until the queue is resumed; publishing continues. */
  readonly pause_event_queue: {
    readonly data: { readonly reason?: string };
    readonly reply: { readonly paused: boolean; readonly queues: readonly string[]; readonly changed_at: string };
  };
  /** Ends the pause. */
  readonly resume_event_queue: {
    readonly data: { readonly reason?: string };
    readonly reply: { readonly paused: boolean; readonly queues: readonly string[]; readonly changed_at: string };
  };
  /** Asks for figures about the connections of the cluster and of each node. */
  readonly get_connection_stats: {
    readonly data: Readonly<Record<string, never>>;
    readonly reply: {
      readonly generated_at: string;
      readonly node_id: string;
      readonly total_connections: number;
      readonly max_connections: number;
      readonly pending_auth: number;
      readonly connections_with_errors: number;
      readonly buffered_bytes: number;
      readonly connections_by_status: Readonly<Record<string, unknown>>;
      readonly accepted: number;
      readonly established: number;
      readonly takeovers: number;
      readonly evictions: number;
      readonly total_messages_received: number;
      readonly total_messages_sent: number;
      readonly closed: Readonly<Record<string, unknown>>;
      readonly refused_upgrades: Readonly<Record<string, unknown>>;
      readonly messages_by_type: Readonly<Record<string, unknown>>;
      readonly total_errors: number;
      readonly errors_by_code: Readonly<Record<string, unknown>>;
      readonly uptime_seconds: number;
      readonly nodes: readonly {
        readonly node_id: string;
        readonly uptime_seconds: number;
        readonly total_connections: number;
        readonly max_connections: number;
        readonly pending_auth: number;
        readonly connections_with_errors: number;
        readonly buffered_bytes: number;
        readonly connections_by_status: Readonly<Record<string, unknown>>;
        readonly accepted: number;
        readonly established: number;
        readonly takeovers: number;
        readonly evictions: number;
        readonly total_messages_received: number;
        readonly total_messages_sent: number;
        readonly closed: Readonly<Record<string, unknown>>;
        readonly refused_upgrades: Readonly<Record<string, unknown>>;
        readonly messages_by_type: Readonly<Record<string, unknown>>;
        readonly total_errors: number;
        readonly errors_by_code: Readonly<Record<string, unknown>>;
      }[];
      readonly missing_nodes: readonly string[];
    };
  };
  /** Asks for figures about the events of the cluster and of each node. */
  readonly get_router_stats: {
    readonly data: Readonly<Record<string, never>>;
    readonly reply: {
      readonly generated_at: string;
      readonly node_id: string;
      readonly delivery: {
        readonly events: number;
        readonly deliveries: number;
        readonly flushes: number;
        readonly writes: number;
        readonly bytes: number;
        readonly unknown_types: number;
        readonly gaps: number;
        readonly cohorts: number;
        readonly members: number;
        readonly readers: number;
        readonly replayed: number;
        readonly replayed_from_log: number;
        readonly window_events: number;
        readonly window_bytes: number;
        readonly congested: number;
        readonly congestions: number;
        readonly drained: number;
        readonly too_slow: number;
        readonly rate_limited: number;
        readonly ephemeral: {
          readonly published: number;
          readonly absent: number;
          readonly received: number;
          readonly sent: number;
          readonly conflated: number;
          readonly withheld: number;
          readonly dropped: Readonly<Record<string, unknown>>;
        };
        readonly compression: { readonly bytes_in: number; readonly bytes_out: number; readonly skipped: number };
      };
      readonly mailboxes: {
        readonly appended: number;
        readonly duplicates: number;
        readonly trimmed_unacknowledged: number;
        readonly deliveries: number;
        readonly unwanted: number;
        readonly holes: number;
        readonly reads: number;
        readonly gaps: number;
        readonly behind: number;
        readonly acks: { readonly stored: number; readonly ignored: number; readonly failed: number };
      };
      readonly workers: {
        readonly appended: number;
        readonly duplicates: number;
        readonly expired: number;
        readonly poisoned: number;
        readonly direct: number;
        readonly queued: number;
      };
      readonly publishes: Readonly<Record<string, unknown>>;
      readonly refused_publishes: Readonly<Record<string, unknown>>;
      readonly events_over_rate: Readonly<Record<string, unknown>>;
      readonly event_queue_size: number | null;
      readonly event_queue_max: number;
      readonly paused_queues: readonly string[];
      readonly nodes: readonly {
        readonly node_id: string;
        readonly standing_aside: boolean;
        readonly delivery: {
          readonly events: number;
          readonly deliveries: number;
          readonly flushes: number;
          readonly writes: number;
          readonly bytes: number;
          readonly unknown_types: number;
          readonly gaps: number;
          readonly cohorts: number;
          readonly members: number;
          readonly readers: number;
          readonly replayed: number;
          readonly replayed_from_log: number;
          readonly window_events: number;
          readonly window_bytes: number;
          readonly congested: number;
          readonly congestions: number;
          readonly drained: number;
          readonly too_slow: number;
          readonly rate_limited: number;
          readonly ephemeral: {
            readonly published: number;
            readonly absent: number;
            readonly received: number;
            readonly sent: number;
            readonly conflated: number;
            readonly withheld: number;
            readonly dropped: Readonly<Record<string, unknown>>;
          };
          readonly compression: { readonly bytes_in: number; readonly bytes_out: number; readonly skipped: number };
        };
        readonly mailboxes: {
          readonly appended: number;
          readonly duplicates: number;
          readonly trimmed_unacknowledged: number;
          readonly deliveries: number;
          readonly unwanted: number;
          readonly holes: number;
          readonly reads: number;
          readonly gaps: number;
          readonly behind: number;
          readonly acks: { readonly stored: number; readonly ignored: number; readonly failed: number };
        };
        readonly workers: {
          readonly appended: number;
          readonly duplicates: number;
          readonly expired: number;
          readonly poisoned: number;
          readonly direct: number;
          readonly queued: number;
        };
        readonly publishes: Readonly<Record<string, unknown>>;
        readonly refused_publishes: Readonly<Record<string, unknown>>;
        readonly events_over_rate: Readonly<Record<string, unknown>>;
      }[];
      readonly missing_nodes: readonly string[];
    };
  };
  /** Asks for CPU, memory and event loop figures of each node. */
  readonly get_system_metrics: {
    readonly data: Readonly<Record<string, never>>;
    readonly reply: {
      readonly generated_at: string;
      readonly node_id: string;
      readonly websocket: {
        readonly total_connections: number;
        readonly total_messages_sent: number;
        readonly total_events_processed: number;
        readonly event_queue_size: number | null;
      };
      readonly nodes: readonly {
        readonly node_id: string;
        readonly host: string;
        readonly pid: number;
        readonly version: string;
        readonly node_version: string;
        readonly uptime_seconds: number;
        readonly ready: boolean;
        readonly draining: boolean;
        readonly total_connections: number;
        readonly system: {
          readonly cpus: number;
          readonly load_average: readonly number[];
          readonly memory_total: number;
          readonly memory_available: number;
        };
        readonly process: {
          readonly cpu_percent: number;
          readonly memory_rss: number;
          readonly heap_used: number;
          readonly heap_total: number;
          readonly external: number;
        };
        readonly event_loop_lag_ms: {
          readonly p50: number;
          readonly p99: number;
          readonly mean: number;
          readonly max: number;
        };
      }[];
      readonly missing_nodes: readonly string[];
    };
  };
  /** Asks for a page of the open connections of the cluster, optionally filtered. */
  readonly get_all_connections: {
    readonly data: {
      readonly limit?: number;
      readonly cursor?: string;
      readonly filter?: {
        readonly user?: string;
        readonly role?: string;
        readonly node_id?: string;
        readonly category?: string;
        readonly healthy?: boolean;
      };
    };
    readonly reply: {
      readonly connections: Readonly<Record<string, unknown>>;
      readonly total_count: number;
      readonly next_cursor: string | null;
      readonly missing_nodes: readonly string[];
    };
  };
  /** Sends an announcement to all users, as the event admin_broadcast (a default subscription). */
  readonly broadcast_admin_message: {
    readonly data: {
      readonly message: string;
      readonly priority?: 'low' | 'normal' | 'high' | 'critical' | 'urgent';
      readonly reason?: string;
    };
    readonly reply: {
      readonly event_id: string;
      readonly message: string;
      readonly priority: 'low' | 'normal' | 'high' | 'critical' | 'urgent';
      readonly sent_at: string;
    };
  };
}

export type RequestType = keyof RequestMap;
