/**
 * Addresses of clients in one form each, whoever reports them: what is hashed, pinned and counted by address must not depend on
 * which kind of socket or which proxy in front told us of it.
 */
import { addressBytes } from './cidr.ts';

const GROUP_COUNT = 8;
/** Whoever has one IPv6 address has all of its /64. */
const CLIENT_GROUP_COUNT = 4;

/** IPv4 for an IPv4-mapped address, else the short form of RFC 5952; what is no address comes back as it is. */
export function canonicalAddress(ip: string): string {
  if (!ip.includes(':')) return ip;
  const bytes = addressBytes(ip);
  return bytes === null ? ip : addressText(bytes);
}

/** Of four or sixteen bytes. */
export function addressText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  // The URL parser of the platform knows how to write IPv6 in its one short form.
  return new URL(`http://[${groups(bytes, GROUP_COUNT)}]/`).hostname.slice(1, -1);
}

/** What counts as one client where connections are limited: an IPv4 address, or the /64 of an IPv6 address. */
export function clientNetwork(ip: string): string {
  if (!ip.includes(':')) return ip;
  const bytes = addressBytes(ip);
  if (bytes === null) return ip;
  return bytes.length === 4 ? bytes.join('.') : `${groups(bytes, CLIENT_GROUP_COUNT)}::/64`;
}

function groups(bytes: Uint8Array, count: number): string {
  const texts: string[] = [];
  for (let at = 0; at < count; at++)
    texts.push((((bytes[2 * at] as number) << 8) | (bytes[2 * at + 1] as number)).toString(16));
  return texts.join(':');
}
