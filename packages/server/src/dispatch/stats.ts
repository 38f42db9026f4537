import type { StatsViews } from '../operations/statsViews.js';
import type { Handlers } from './dispatcher.js';

type StatsMessage = 'get_connection_stats' | 'get_router_stats' | 'get_system_metrics';

/** The cluster in numbers, for admins. @param views is made after the handlers are. */
export function statsHandlers(views: () => StatsViews): Pick<Handlers, StatsMessage> {
  return {
    get_connection_stats: () => views().connections(),
    get_router_stats: () => views().router(),
    get_system_metrics: () => views().system(),
  };
}
