/**
 * Comma lists of tokens, as in Connection and Transfer-Encoding, read without regular expressions.
 */
import { BYTE_CLASS, TOKEN } from './bytes.ts';

/** Lower-case members of a list of tokens; null where a member is no token. Empty members are allowed by RFC 9110 §5.6.1. */
export function tokenList(value: string): string[] | null {
  const members: string[] = [];
  for (const part of value.split(',')) {
    const member = trimBlanks(part);
    if (member === '') continue;
    if (!isToken(member)) return null;
    members.push(member.toLowerCase());
  }
  return members;
}

function isToken(text: string): boolean {
  for (let at = 0; at < text.length; at++)
    if (((BYTE_CLASS[text.charCodeAt(at)] as number) & TOKEN) === 0) return false;
  return text !== '';
}

/** Spaces and tabs only: `trim` would take other bytes for blank. */
export function trimBlanks(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && (text.charCodeAt(start) === 0x20 || text.charCodeAt(start) === 0x09)) start++;
  while (end > start && (text.charCodeAt(end - 1) === 0x20 || text.charCodeAt(end - 1) === 0x09)) end--;
  return text.slice(start, end);
}
