/**
 * The PROXY protocol header that we send to a backend, versions 1 and 2 (haproxy.org, proxy-protocol.txt §2).
 *
 * A connection with such a header speaks for one client, so it is never pooled.
 */
import { isIP, isIPv4 } from 'node:net';
import type { ProxiedAddresses } from './user.ts';

const SIGNATURE_V2 = '\r\n\r\n\0\r\nQUIT\n';
const VERSION_AND_PROXY = 0x21;
const VERSION_AND_LOCAL = 0x20;
const TCP4 = 0x11;
const TCP6 = 0x21;
/** A checksum over the header that it came in, and padding: both mean nothing in another header. */
const TLV_CRC32C = 0x03;
const TLV_NOOP = 0x04;
const TLV_HEAD_BYTES = 3;

/** As a Latin-1 string, so that it leaves in one write with the request that follows. */
export function proxyHeader(version: 'v1' | 'v2', addresses: ProxiedAddresses): string {
  const { sourceAddress, destinationAddress, sourcePort, destinationPort } = addresses;
  const v4 = isIPv4(sourceAddress) && isIPv4(destinationAddress);
  const v6 = !v4 && isIP(sourceAddress) !== 0 && isIP(destinationAddress) !== 0;
  const [source, destination] = v6
    ? [mapped(sourceAddress), mapped(destinationAddress)]
    : [sourceAddress, destinationAddress];
  if (version === 'v1') {
    if (!v4 && !v6) return 'PROXY UNKNOWN\r\n';
    return `PROXY ${v4 ? 'TCP4' : 'TCP6'} ${source} ${destination} ${sourcePort} ${destinationPort}\r\n`;
  }
  if (!v4 && !v6) return SIGNATURE_V2 + bytes([VERSION_AND_LOCAL, 0, 0, 0]);
  const pack = v4 ? packV4 : packV6;
  const ends = pack(source) + pack(destination) + word(sourcePort) + word(destinationPort);
  const body = ends + passedOn(addresses.extensions);
  return SIGNATURE_V2 + bytes([VERSION_AND_PROXY, v4 ? TCP4 : TCP6]) + word(body.length) + body;
}

/** A header has one family: IPv4 stands beside IPv6 in its mapped form. */
function mapped(address: string): string {
  return isIPv4(address) ? `::ffff:${address}` : address;
}

/** Of well-formed extensions those that hold for this header too. */
function passedOn(extensions: Buffer): string {
  let text = '';
  for (let at = 0; at < extensions.length; ) {
    const end = at + TLV_HEAD_BYTES + extensions.readUInt16BE(at + 1);
    const type = extensions[at];
    if (type !== TLV_CRC32C && type !== TLV_NOOP) text += extensions.toString('latin1', at, end);
    at = end;
  }
  return text;
}

function bytes(values: readonly number[]): string {
  return String.fromCharCode(...values);
}

function word(value: number): string {
  return bytes([value >> 8, value & 0xff]);
}

function packV4(address: string): string {
  return bytes(address.split('.').map(Number));
}

function packV6(address: string): string {
  const [plain = ''] = address.split('%');
  const [left = '', right] = plain.split('::');
  const head = words(left);
  const tail = right === undefined ? [] : words(right);
  const gap = right === undefined ? 0 : 8 - head.length - tail.length;
  return [...head, ...new Array<number>(gap).fill(0), ...tail].map(word).join('');
}

/** Groups of an IPv6 address; the last two may be written as an IPv4 address. */
function words(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number);
    return [a * 256 + b, c * 256 + d];
  });
}
