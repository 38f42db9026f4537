import {
  allConnectionsSchema,
  auditPageSchema,
  auditRecordSchema,
  catalogueReloadedSchema,
  checksSchema,
  clearQueueSchema,
  clusterErrorsSchema,
  clusterHealthSchema,
  clusterNodeSchema,
  clusterNodesSchema,
  clusterStatsSchema,
  connectionStatsSchema,
  eventAcceptedSchema,
  eventListSchema,
  eventStatusSchema,
  eventsAcceptedSchema,
  failedRetriedSchema,
  infoSchema,
  type JSONSchema,
  jobsPageReplySchema,
  limitsSchema,
  listedConnectionSchema,
  mailboxSchema,
  nodeHealthSchema,
  nodeReloadSchema,
  nodeStatsSchema,
  permissionsChangedSchema,
  preferenceChangesSchema,
  preferencesSchema,
  publishSchema,
  queueClearedSchema,
  queueJobSchema,
  queueStatusSchema,
  queueSummarySchema,
  queueSwitchedSchema,
  readinessSchema,
  revokedSchema,
  rolloutChangedSchema,
  rolloutSchema,
  routerStatsSchema,
  systemMetricsSchema,
  userReportSchema,
} from '@unified-ws/protocol';

/** A part of a document. */
export type Json = Readonly<Record<string, unknown>>;

/** Schemas that have a name in the documents. All others are written where they are used. */
const NAMED: Readonly<Record<string, JSONSchema>> = {
  AllConnections: allConnectionsSchema,
  AuditPage: auditPageSchema,
  AuditRecord: auditRecordSchema,
  CatalogueReloaded: catalogueReloadedSchema,
  Checks: checksSchema,
  ClearQueue: clearQueueSchema,
  ClusterErrors: clusterErrorsSchema,
  ClusterHealth: clusterHealthSchema,
  ClusterNode: clusterNodeSchema,
  ClusterNodes: clusterNodesSchema,
  ClusterStats: clusterStatsSchema,
  ConnectionStats: connectionStatsSchema,
  EventAccepted: eventAcceptedSchema,
  EventList: eventListSchema,
  EventStatus: eventStatusSchema,
  EventsAccepted: eventsAcceptedSchema,
  FailedRetried: failedRetriedSchema,
  Info: infoSchema,
  JobsPage: jobsPageReplySchema,
  Limits: limitsSchema,
  ListedConnection: listedConnectionSchema,
  Mailbox: mailboxSchema,
  NodeHealth: nodeHealthSchema,
  NodeReload: nodeReloadSchema,
  NodeStats: nodeStatsSchema,
  PermissionsChanged: permissionsChangedSchema,
  PreferenceChanges: preferenceChangesSchema,
  Preferences: preferencesSchema,
  PublishRequest: publishSchema,
  QueueCleared: queueClearedSchema,
  QueueJob: queueJobSchema,
  QueueStatus: queueStatusSchema,
  QueueSummary: queueSummarySchema,
  QueueSwitched: queueSwitchedSchema,
  Readiness: readinessSchema,
  Revoked: revokedSchema,
  Rollout: rolloutSchema,
  RolloutChanged: rolloutChangedSchema,
  RouterStats: routerStatsSchema,
  SystemMetrics: systemMetricsSchema,
  UserReport: userReportSchema,
};

const NAMES: ReadonlyMap<unknown, string> = new Map(Object.entries(NAMED).map(([name, schema]) => [schema, name]));

/** The schemas of one document. A named schema is put under `components` when it is first used. */
export class Components {
  private readonly used = new Map<string, unknown>();

  /** The schema as it appears in the document. */
  schema(schema: JSONSchema): unknown {
    const name = NAMES.get(schema);
    if (name === undefined) return this.inside(schema);
    if (!this.used.has(name)) {
      // Before the walk, so that a recursive schema is not begun again.
      this.used.set(name, {});
      this.used.set(name, this.inside(schema));
    }
    return { $ref: `#/components/schemas/${name}` };
  }

  /** All named schemas used so far. */
  schemas(): Json {
    return Object.fromEntries([...this.used].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  private inside(value: unknown): unknown {
    if (Array.isArray(value)) return value.map((inner) => this.part(inner));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, this.part(inner)]));
  }

  private part(value: unknown): unknown {
    return NAMES.has(value) ? this.schema(value as JSONSchema) : this.inside(value);
  }
}
