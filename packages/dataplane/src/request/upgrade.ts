/**
 * Which requests may leave HTTP on their connection, and for what (RFC 9110 §7.8).
 *
 * Never for h2c: whole requests would pass behind it, unseen by routes and rules.
 */
import { trimBlanks } from '../http1/field-lists.ts';
import type { RequestHead } from '../http1/head.ts';

/** All lines of the field count: they go on as one list. */
export function mayUpgrade(head: RequestHead): boolean {
  if (!head.connectionUpgrade || head.minorVersion === 0) return false;
  const offered = protocols(head.field('upgrade') ?? '');
  return offered.length > 0 && !offered.some((protocol) => protocol.includes('h2c'));
}

/** Whether all that a backend's 101 switches to is among what the client offered; both as the Upgrade field lists them. */
export function wasOffered(offer: string, switchedTo: string): boolean {
  const offered = protocols(offer);
  const taken = protocols(switchedTo);
  return taken.length > 0 && taken.every((protocol) => offered.includes(protocol));
}

/** Lower case. Names of protocols may have versions, so they are no tokens. */
function protocols(list: string): string[] {
  return list
    .split(',')
    .map((protocol) => trimBlanks(protocol).toLowerCase())
    .filter((protocol) => protocol !== '');
}
