import type { NodeStats } from '@unified-ws/protocol';
import type { Connection } from '../connections/lifecycle/connection.js';
import type { UnregisteredConnections } from '../connections/lifecycle/unregistered.js';
import type { Endpoint } from '../connections/upgrade/upgrades.js';
import type { Router } from '../http/request/router.js';
import type { Metric, MetricList } from '../observability/metrics/metric.js';
import type { AdminParts } from './composeAdmin.js';

/** What an extension adds to a node. Only the name is required. */
export interface Addition {
  /** Name of the extension in reports. */
  readonly name: string;
  /** The endpoint at a path; null: the path does not belong to the extension. */
  readonly endpointAt?: (path: string) => Endpoint | null;
  /** Connections that are not in the registry. */
  readonly connections?: UnregisteredConnections;
  /** Mounts REST operations. */
  readonly routes?: (router: Router) => void;
  /** Sections of the node's statistics. */
  readonly stats?: () => Partial<NodeStats>;
  /** Lists of the extension's metrics, each with its source. */
  readonly metrics?: readonly MetricList<unknown>[];
  /** A connection to the unified endpoint was established. */
  readonly onEstablished?: (connection: Connection) => void;
  /**
   * Reads what the node must know before it delivers. Called at start, and after each interruption.
   *
   * @param starts true: the node has not served yet.
   * @throws when Redis does not answer; the call is then repeated.
   */
  readonly catchUp?: (starts: boolean) => Promise<void>;
  /** The node serves for the first time. */
  readonly start?: () => void;
  readonly stop?: () => Promise<void>;
}

/**
 * A feature that no other part of the server imports. It may use every part; other parts see only its `Addition`. `EXTENSIONS` in
 * node.ts lists the extensions; a node without that line runs without the feature.
 */
export interface Extension {
  /** For docs/METRICS.md: the metrics of all lists that its additions have. */
  readonly metrics: readonly Metric<never>[];
  readonly extend: (node: AdminParts) => readonly Addition[];
}

export type ExtensionsParts = ReturnType<typeof composeExtensions>;

/** Combines the additions for the entrance, the reports and the routes. */
export function composeExtensions(admin: AdminParts, extensions: readonly Extension[]) {
  const additions = extensions.flatMap(({ extend }) => extend(admin));
  for (const { connections } of additions) if (connections) admin.unregistered.add(connections);
  return {
    ...admin,
    additions,
    otherEndpointAt: (path: string): Endpoint | null => {
      for (const { endpointAt } of additions) {
        const endpoint = endpointAt?.(path);
        if (endpoint) return endpoint;
      }
      return null;
    },
    onEstablished: (connection: Connection): void => {
      for (const { onEstablished } of additions) onEstablished?.(connection);
    },
    moreRoutes: additions.flatMap(({ routes }) => routes ?? []),
    moreStats: additions.flatMap(({ stats }) => stats ?? []),
    moreMetrics: additions.flatMap(({ metrics }) => metrics ?? []),
  };
}
