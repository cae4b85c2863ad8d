/**
 * A strict parser of the PROXY protocol, versions 1 and 2 (haproxy.org/download/2.9/doc/proxy-protocol.txt).
 *
 * Pure: bytes in, a verdict out. Whether a peer may speak it at all is the listener's question. Extensions (TLVs) are checked
 * for their form and kept as bytes: what a first proxy knows of the client (its server name, its certificate) goes on to the last.
 */
import { isIPv4, isIPv6 } from 'node:net';
import { addressText, canonicalAddress } from '../config/address.ts';
import { NO_EXTENSIONS } from './connection.ts';
import type { Endpoints } from './connection.ts';
import { PROXY_V1_MAX_BYTES, PROXY_V2_MAX_BYTES } from './limits.ts';

export type ProxyHeaderResult =
  /** More bytes are needed. */
  | { readonly type: 'more' }
  | { readonly type: 'error'; readonly reason: string }
  /** `endpoints` is null for LOCAL and UNKNOWN: the connection speaks for itself. */
  | { readonly type: 'header'; readonly endpoints: Endpoints | null; readonly length: number };

const V2_SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const V2_FIXED_BYTES = 16;
/** The byte after the signature: version 2, and whether the proxy speaks for itself or for a client. */
const V2_LOCAL = 0x20;
const V2_PROXY = 0x21;
/** The byte after that: family and transport. Those above UDP over IPv6 are sockets of Unix, which have no address for us. */
const V2_UNSPECIFIED = 0x00;
const V2_UDP_IPV6 = 0x22;
/** Bytes of both addresses and ports of each family and transport; others are not defined. */
const V2_ADDRESSES_BYTES: ReadonlyMap<number, number> = new Map([
  [V2_UNSPECIFIED, 0],
  [0x11, 12],
  [0x12, 12],
  [0x21, 36],
  [V2_UDP_IPV6, 36],
  [0x31, 216],
  [0x32, 216],
]);
const V2_IPV4_ADDRESSES_BYTES = 12;
const V1_SIGNATURE = Buffer.from('PROXY ', 'latin1');
const MORE: ProxyHeaderResult = { type: 'more' };

export function parseProxyHeader(bytes: Buffer): ProxyHeaderResult {
  if (bytes.length === 0) return MORE;
  if (bytes[0] === V2_SIGNATURE[0]) return startsWith(bytes, V2_SIGNATURE) ? parseV2(bytes) : malformed();
  return startsWith(bytes, V1_SIGNATURE) ? parseV1(bytes) : malformed();
}

function malformed(): ProxyHeaderResult {
  return { type: 'error', reason: 'proxy-header-malformed' };
}

/** A sound header that names no client. */
function nobody(length: number): ProxyHeaderResult {
  return { type: 'header', endpoints: null, length };
}

/** True also while the bytes so far could become the signature. */
function startsWith(bytes: Buffer, signature: Buffer): boolean {
  const length = Math.min(bytes.length, signature.length);
  return bytes.compare(signature, 0, length, 0, length) === 0;
}

function parseV1(bytes: Buffer): ProxyHeaderResult {
  const end = bytes.indexOf('\r\n', 0, 'latin1');
  if (end < 0) return bytes.length >= PROXY_V1_MAX_BYTES || bytes.includes(0x0a) ? malformed() : MORE;
  const length = end + 2;
  if (length > PROXY_V1_MAX_BYTES) return malformed();
  const words = bytes.toString('latin1', 0, end).split(' ');
  const family = words[1];
  if (family === 'UNKNOWN') return nobody(length);
  const [, , clientIp = '', localIp = '', clientPortText = '', localPortText = ''] = words;
  const isAddress = family === 'TCP4' ? isIPv4 : family === 'TCP6' ? isIPv6 : null;
  if (isAddress === null || words.length !== 6 || !isAddress(clientIp) || !isAddress(localIp)) return malformed();
  const clientPort = v1Port(clientPortText);
  const localPort = v1Port(localPortText);
  if (clientPort < 0 || localPort < 0) return malformed();
  const addresses = { clientIp: canonicalAddress(clientIp), localIp: canonicalAddress(localIp) };
  return { type: 'header', endpoints: { ...addresses, clientPort, localPort, extensions: NO_EXTENSIONS }, length };
}

function v1Port(text: string): number {
  const port = Number(text);
  // Number() also takes '', '0x1f' and ' 80': the round trip does not.
  return String(port) === text && Number.isInteger(port) && port >= 0 && port <= 65_535 ? port : -1;
}

function parseV2(bytes: Buffer): ProxyHeaderResult {
  if (bytes.length < V2_FIXED_BYTES) return MORE;
  const command = bytes.readUInt8(12);
  if (command !== V2_LOCAL && command !== V2_PROXY) return malformed();
  const family = bytes.readUInt8(13);
  const length = V2_FIXED_BYTES + bytes.readUInt16BE(14);
  if (length > PROXY_V2_MAX_BYTES) return malformed();
  if (bytes.length < length) return MORE;
  // LOCAL: the receiver must accept it and discard whatever it carries.
  const isLocal = command === V2_LOCAL;
  const addressesBytes = V2_ADDRESSES_BYTES.get(family);
  if (addressesBytes === undefined || length - V2_FIXED_BYTES < addressesBytes)
    return isLocal ? nobody(length) : malformed();
  const tlvs = bytes.subarray(V2_FIXED_BYTES + addressesBytes, length);
  // An unspecified family has no addresses, so all the rest may be anything.
  if (family !== V2_UNSPECIFIED && !areTlvs(tlvs)) return malformed();
  if (isLocal || family === V2_UNSPECIFIED || family > V2_UDP_IPV6) return nobody(length);
  const addresses = v2Addresses(bytes, addressesBytes === V2_IPV4_ADDRESSES_BYTES ? 4 : 16);
  return { type: 'header', endpoints: { ...addresses, extensions: Buffer.from(tlvs) }, length };
}

function v2Addresses(bytes: Buffer, size: 4 | 16): Omit<Endpoints, 'extensions'> {
  const at = V2_FIXED_BYTES;
  return {
    clientIp: ipText(bytes.subarray(at, at + size)),
    localIp: ipText(bytes.subarray(at + size, at + 2 * size)),
    clientPort: bytes.readUInt16BE(at + 2 * size),
    localPort: bytes.readUInt16BE(at + 2 * size + 2),
  };
}

/** An IPv4 client of a dual-stack socket of the first proxy is that IPv4 client. */
function ipText(bytes: Buffer): string {
  return canonicalAddress(addressText(bytes));
}

function areTlvs(bytes: Buffer): boolean {
  let at = 0;
  while (at + 3 <= bytes.length) at += 3 + bytes.readUInt16BE(at + 1);
  return at === bytes.length;
}
