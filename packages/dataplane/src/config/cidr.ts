/**
 * Sets of IPv4 and IPv6 networks, for the lists of trusted peers.
 *
 * An IPv4-mapped IPv6 address (`::ffff:10.0.0.1`) is its IPv4 address: dual-stack sockets report IPv4 peers that way.
 * Not a validator: what cannot be parsed is in no set.
 */
import { isIPv4, isIPv6 } from 'node:net';

interface Network {
  /** Four or sixteen bytes. */
  readonly bytes: Uint8Array;
  readonly prefixBits: number;
}

export class CidrSet {
  readonly #networks: readonly Network[];
  readonly #everything: boolean;

  constructor(cidrs: readonly string[]) {
    this.#networks = cidrs.map(parseCidr).filter((network) => network !== null);
    this.#everything = ['0.0.0.0/0', '::/0'].every((all) => cidrs.includes(all));
  }

  has(ip: string): boolean {
    if (this.#everything) return true;
    if (this.#networks.length === 0) return false;
    const bytes = addressBytes(ip);
    return bytes !== null && this.#networks.some((network) => contains(network, bytes));
  }
}

function parseCidr(cidr: string): Network | null {
  const slash = cidr.indexOf('/');
  const bytes = addressBytes(slash < 0 ? cidr : cidr.slice(0, slash));
  if (bytes === null) return null;
  if (slash < 0) return { bytes, prefixBits: bytes.length * 8 };
  const prefix = Number(cidr.slice(slash + 1));
  if (!Number.isInteger(prefix) || prefix < 0) return null;
  // The prefix of a mapped network counts from the start of its IPv6 form.
  const mapped = bytes.length === 4 && cidr.includes(':') ? prefix - 96 : prefix;
  return mapped < 0 || mapped > bytes.length * 8 ? null : { bytes, prefixBits: mapped };
}

function contains(network: Network, bytes: Uint8Array): boolean {
  if (network.bytes.length !== bytes.length) return false;
  const whole = network.prefixBits >> 3;
  for (let at = 0; at < whole; at++) if (network.bytes[at] !== bytes[at]) return false;
  const rest = network.prefixBits & 7;
  if (rest === 0) return true;
  const mask = (0xff << (8 - rest)) & 0xff;
  return ((network.bytes[whole] as number) & mask) === ((bytes[whole] as number) & mask);
}

/** Four bytes for IPv4 (mapped or not), sixteen for IPv6, null for what is no address. */
export function addressBytes(ip: string): Uint8Array | null {
  if (isIPv4(ip)) return Uint8Array.from(ip.split('.'), Number);
  const zone = ip.indexOf('%');
  const plain = zone < 0 ? ip : ip.slice(0, zone);
  if (!isIPv6(plain)) return null;
  const bytes = ipv6Bytes(plain);
  const mapped = bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff && bytes[11] === 0xff;
  return mapped ? bytes.slice(12) : bytes;
}

function ipv6Bytes(ip: string): Uint8Array {
  const [head = '', tail] = ip.split('::');
  const front = ipv6Groups(head);
  const back = tail === undefined ? [] : ipv6Groups(tail);
  const bytes = new Uint8Array(16);
  bytes.set(front, 0);
  bytes.set(back, 16 - back.length);
  return bytes;
}

function ipv6Groups(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    if (group.includes('.')) return group.split('.').map(Number);
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 0xff];
  });
}
