/** How Redis is reached: over TCP, with TLS or without, or by a socket on this machine. */
export type RedisConnection = (
  | { readonly host: string; readonly port: number; readonly tls?: object; readonly caFile?: string }
  | { readonly path: string }
) & {
  readonly db?: number;
  readonly username?: string;
  readonly password?: string;
};
