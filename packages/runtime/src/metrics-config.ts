import { isIPv4 } from 'node:net';
import { z } from 'zod';
import { checkedTogether, type Endpoint, endpointOrSocket, type SocketPath } from './config.ts';

/** Where metrics are served. */
export interface MetricsConfig {
  readonly listen: Endpoint | SocketPath;
}

const section = checkedTogether(
  z.strictObject({ listen: endpointOrSocket('address for metrics'), public: z.boolean().default(false) }),
  ({ listen, public: open }, { say }) => {
    if (listen === undefined || open !== false || 'path' in listen || isLoopback(listen.host)) return;
    say(
      ['listen'],
      'is open to other machines; write "127.0.0.1:port", "[::1]:port" or "unix:/path", or set public = true beside it',
    );
  },
);

/** The section `[metrics]`. Whatever others may reach has to be asked for by name; so has a host name, since what it stands for may change. */
export const metricsSection: z.ZodType<MetricsConfig, { listen: string; public?: boolean | undefined }> =
  section.transform(({ listen }) => ({ listen }));

function isLoopback(host: string): boolean {
  return host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}
