/** Network addresses as text: host and port, IP addresses, CIDR blocks. Pure parsing; nothing is looked up. */

export interface HostPort {
  /** Host name, IPv4 address, or IPv6 address without brackets. */
  readonly host: string;
  readonly port: number;
}

const HOST_MAX_CHARS = 253;
const LABEL = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/i;

export function isIpv4(text: string): boolean {
  const parts = text.split('.');
  return parts.length === 4 && parts.every((part) => /^(0|[1-9][0-9]{0,2})$/.test(part) && Number(part) <= 255);
}

/** RFC 4291 text forms, with at most one `::` and an optional IPv4 tail. Zone ids are refused: they mean nothing on another node. */
export function isIpv6(text: string): boolean {
  if (text.length > 45 || !/^[0-9a-f:.]+$/i.test(text)) return false;
  const halves = text.split('::');
  if (halves.length > 2) return false;
  let groups = 0;
  for (const [at, half] of halves.entries()) {
    if (half === '') continue;
    const parts = half.split(':');
    for (const [place, part] of parts.entries()) {
      const last = at === halves.length - 1 && place === parts.length - 1;
      if (last && part.includes('.')) {
        if (!isIpv4(part)) return false;
        groups += 2;
      } else if (/^[0-9a-f]{1,4}$/i.test(part)) {
        groups++;
      } else {
        return false;
      }
    }
  }
  return halves.length === 2 ? groups <= 7 : groups === 8;
}

export function isHostName(text: string): boolean {
  if (text.length === 0 || text.length > HOST_MAX_CHARS) return false;
  const labels = (text.endsWith('.') ? text.slice(0, -1) : text).split('.');
  // A last label of digits only is a mistyped IPv4 address, never a name (RFC 1123 §2.1).
  return labels.every((label) => LABEL.test(label)) && !/^[0-9]+$/.test(labels.at(-1) ?? '');
}

/** `host:port`, `1.2.3.4:port` or `[v6]:port`; null where it is none of them. */
export function parseAddress(text: string): HostPort | null {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):([0-9]{1,5})$/.exec(text);
  if (match === null) return null;
  const [, v6, name, digits] = match;
  const port = Number(digits);
  if (port < 1 || port > 65_535) return null;
  if (v6 !== undefined) return isIpv6(v6) ? { host: v6, port } : null;
  const host = name ?? '';
  return isIpv4(host) || isHostName(host) ? { host, port } : null;
}

/** `10.0.0.0/8`, `fd00::/8`, or one address. */
export function isCidr(text: string): boolean {
  const match = /^([^/]+)(?:\/(0|[1-9][0-9]{0,2}))?$/.exec(text);
  if (match === null) return false;
  const [, address = '', bits] = match;
  const length = bits === undefined ? 0 : Number(bits);
  return (isIpv4(address) && length <= 32) || (isIpv6(address) && length <= 128);
}
