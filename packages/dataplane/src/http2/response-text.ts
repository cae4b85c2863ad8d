/**
 * The fields of an HTTP/2 response as the head of an HTTP/1.1 response; null where they are none. As strict as for requests: what
 * is then left to say about it is said by the parser of HTTP/1.1.
 */
import { checkField } from './request-fields.ts';
import { proofOf } from './websocket-key.ts';

export function responseText(fields: readonly string[], isEmpty: boolean): string | null {
  const status = statusOf(fields);
  if (status === '') return null;
  let lines = '';
  let hasLength = false;
  for (let at = 2; at < fields.length; at += 2) {
    const name = fields[at] as string;
    const value = fields[at + 1] as string;
    if (checkField(name, value) !== null) return null;
    if (name === 'content-length') hasLength = true;
    lines += `${name}: ${value}\r\n`;
  }
  // Without a body there is a length to say, where the status may have one at all.
  const mayHaveLength = status >= '200' && status !== '204' && status !== '304';
  const length = isEmpty && !hasLength && mayHaveLength ? 'content-length: 0\r\n' : '';
  return `HTTP/1.1 ${status} \r\n${lines}${length}\r\n`;
}

/** The 200 of an extended CONNECT as the 101 that a client of HTTP/1.1 waits for (RFC 8441 §5). */
export function switchingText(fields: readonly string[], key: string): string | null {
  const text = responseText(['', '101', ...fields.slice(2)], false);
  if (text === null) return null;
  const upgrade = `connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: ${proofOf(key)}\r\n`;
  return text.replace('HTTP/1.1 101 \r\n', `HTTP/1.1 101 Switching Protocols\r\n${upgrade}`);
}

/** Exactly one `:status`, first, of three digits; '' otherwise. */
export function statusOf(fields: readonly string[]): string {
  const [name, status = ''] = fields;
  if ((name !== ':status' && name !== '') || status.length !== 3) return '';
  for (let at = 0; at < 3; at++) if (status.charCodeAt(at) < 0x30 || status.charCodeAt(at) > 0x39) return '';
  return status;
}
