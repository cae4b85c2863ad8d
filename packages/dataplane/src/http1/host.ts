/**
 * Host values: what is a valid one, and what of it routes are matched against.
 */
import { BYTE_CLASS, COLON, DIGIT, HEX_VALUE, HOST } from './bytes.ts';

const PORT_MAX = 65_535;

/** `host`, `host:port`, `[v6]` or `[v6]:port`; never empty, never with user information. */
export function isValidHost(host: string): boolean {
  let at = 0;
  if (host.charCodeAt(0) === 0x5b /* [ */) {
    at = host.indexOf(']');
    if (at < 3) return false;
    for (let index = 1; index < at; index++) {
      const code = host.charCodeAt(index);
      if (code !== COLON && code !== 0x2e && (HEX_VALUE[code] ?? 255) > 15) return false;
    }
    at++;
  } else {
    while (at < host.length && ((BYTE_CLASS[host.charCodeAt(at)] as number) & HOST) !== 0) at++;
    if (at === 0) return false;
  }
  if (at === host.length) return true;
  return host.charCodeAt(at) === COLON && isPort(host, at + 1);
}

function isPort(host: string, start: number): boolean {
  if (start === host.length || host.length - start > 5) return false;
  let port = 0;
  for (let at = start; at < host.length; at++) {
    const code = host.charCodeAt(at);
    if (((BYTE_CLASS[code] as number) & DIGIT) === 0) return false;
    port = port * 10 + code - 0x30;
  }
  return port <= PORT_MAX;
}

/** Lower case, without port and without the dot of a fully qualified name. */
export function hostName(host: string): string {
  let end = host.length;
  const bracket = host.charCodeAt(0) === 0x5b ? host.indexOf(']') : -1;
  const colon = host.indexOf(':', bracket + 1);
  if (colon >= 0) end = colon;
  if (end > 1 && host.charCodeAt(end - 1) === 0x2e) end--;
  return host.slice(0, end).toLowerCase();
}
