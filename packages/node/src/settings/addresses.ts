/**
 * Addresses as text: `host:port`, `[v6]:port`, and what counts as loopback.
 */
import { isIP } from 'node:net';
import type { HostPort } from './types.ts';

const PORT_MAX = 65_535;
const HOST_NAME = /^[a-zA-Z0-9]([a-zA-Z0-9._-]{0,252})$/;

/** Null where the text is not an address. A port is required; 0 asks the system for one and is for listening only. */
export function parseHostPort(text: string): HostPort | null {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text.trim());
  if (match === null) return null;
  const host = match[1] ?? match[2] ?? '';
  const port = Number(match[3]);
  if (port > PORT_MAX) return null;
  if (match[1] === undefined ? !HOST_NAME.test(host) : isIP(host) !== 6) return null;
  return { host, port };
}

export function formatHostPort({ host, port }: HostPort): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Whether something that listens on `host` can be reached from this machine only. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

/** Whether `host` stands for all addresses and so cannot be told to others. */
export function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}
