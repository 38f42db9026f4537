import { DEVELOPMENT_SECRET, isLoopback } from './developmentSecret.js';
import type { SettingValues } from './table/entries.js';

type Doors = Pick<SettingValues, 'jwtSecret' | 'host' | 'nodeEnv' | 'metricsToken' | 'allowedOrigins'>;

/** What these settings leave open to strangers, as sentences. Logged at each start, so that nothing stays open unnoticed. */
export function openDoors({ jwtSecret, host, nodeEnv, metricsToken, allowedOrigins }: Doors): string[] {
  const reachable = !isLoopback(host);
  return [
    ...(jwtSecret.includes(DEVELOPMENT_SECRET)
      ? ['tokens signed with the development secret are trusted, and everybody knows it (JWT_SECRET)']
      : []),
    ...(reachable && nodeEnv !== 'production' && metricsToken === null
      ? ['/metrics is open to everybody who reaches the port (METRICS_TOKEN)']
      : []),
    ...(reachable && allowedOrigins.includes('*') ? ['web pages of any origin may connect (ALLOWED_ORIGINS)'] : []),
  ];
}
