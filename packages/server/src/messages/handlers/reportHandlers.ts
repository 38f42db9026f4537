import type { Reports } from '../../admin/reports/reports.js';
import type { Handlers } from '../dispatcher.js';

type ReportMessage = 'get_connection_stats' | 'get_router_stats' | 'get_system_metrics' | 'get_all_connections';

/** Statistics and connections of the cluster, for admins. @param reports a function, because reports are made after the handlers. */
export function reportHandlers(
  reports: () => Pick<Reports, 'views' | 'connectionList'>,
): Pick<Handlers, ReportMessage> {
  return {
    get_connection_stats: () => reports().views.connections(),
    get_router_stats: () => reports().views.router(),
    get_system_metrics: () => reports().views.system(),
    get_all_connections: (_connection, request) => reports().connectionList.page(request),
  };
}
