/**
 * The fields of an HTTP/2 request as the head of an HTTP/1.1 request, or why there is none.
 *
 * All that HTTP/2 itself demands is checked here, byte by byte, so that no field can become another one or another line; what is
 * then left to say about a request is said by the same strict parser that reads HTTP/1.1. Nothing that frames a body is taken from
 * the client's fields but a Content-Length, which must be what its DATA frames bring.
 */
import { BYTE_CLASS, TARGET, TOKEN, VALUE } from '../http1/bytes.ts';
import { FAULT } from '../http1/faults.ts';
import type { Fault } from '../http1/faults.ts';
import { H2_FAULT } from './faults.ts';

/** RFC 9113 §8.2.2. `te` may say `trailers` and nothing else. */
const OF_A_CONNECTION = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade']);

interface Pseudo {
  method: string;
  scheme: string;
  authority: string | null;
  path: string;
  protocol: string;
}

/** `tunnelKey`: Sec-WebSocket-Key for a WebSocket opened by extended CONNECT (RFC 8441), which has none of its own. */
export function requestText(fields: readonly string[], endStream: boolean, tunnelKey: () => string): string | Fault {
  const pseudo: Pseudo = { method: '', scheme: '', authority: null, path: '', protocol: '' };
  let at = 0;
  for (; at < fields.length && (fields[at] as string).startsWith(':'); at += 2)
    if (!takePseudo(pseudo, fields[at] as string, fields[at + 1] as string)) return H2_FAULT.pseudoField;
  const fault = checkPseudo(pseudo);
  if (fault !== null) return fault;
  const lines = regularLines(fields, at, pseudo);
  if (typeof lines !== 'string') return lines;
  if (pseudo.method === 'CONNECT') return connectText(pseudo, lines, endStream ? '' : tunnelKey());
  const hasLength = lines.includes('\r\ncontent-length: ');
  if (endStream && hasLength && !lines.includes('\r\ncontent-length: 0\r\n')) return FAULT.badContentLength;
  const framing = endStream || hasLength ? '' : 'transfer-encoding: chunked\r\n';
  return `${pseudo.method} ${pseudo.path} HTTP/1.1${lines}${framing}\r\n`;
}

function takePseudo(pseudo: Pseudo, name: string, value: string): boolean {
  if (value === '' || !isValue(value)) return false;
  switch (name) {
    case ':method':
      if (pseudo.method !== '' || !consistsOf(value, TOKEN)) return false;
      pseudo.method = value;
      return true;
    case ':scheme':
      if (pseudo.scheme !== '' || (value !== 'http' && value !== 'https')) return false;
      pseudo.scheme = value;
      return true;
    case ':authority':
      if (pseudo.authority !== null) return false;
      pseudo.authority = value;
      return true;
    case ':path':
      if (pseudo.path !== '' || !consistsOf(value, TARGET)) return false;
      pseudo.path = value;
      return true;
    case ':protocol':
      if (pseudo.protocol !== '') return false;
      pseudo.protocol = value;
      return true;
    default:
      return false;
  }
}

function checkPseudo({ method, scheme, path, protocol }: Pseudo): Fault | null {
  if (method === '') return H2_FAULT.pseudoField;
  if (method === 'CONNECT' && protocol === '') {
    // A balancer that opened tunnels would be an open proxy.
    return scheme === '' && path === '' ? FAULT.connectUnsupported : H2_FAULT.pseudoField;
  }
  if (protocol !== '') {
    if (method !== 'CONNECT') return H2_FAULT.pseudoField;
    if (protocol !== 'websocket') return H2_FAULT.unknownProtocol;
  }
  if (scheme === '' || path === '') return H2_FAULT.pseudoField;
  // Origin-form or `*`: an absolute form would be a second authority.
  if (!path.startsWith('/') && !(path === '*' && method === 'OPTIONS')) return FAULT.badTarget;
  return null;
}

/** From the end of the request line to the end of the last field. */
function regularLines(fields: readonly string[], from: number, pseudo: Pseudo): string | Fault {
  let host = pseudo.authority;
  let cookies = '';
  let lines = '';
  for (let at = from; at < fields.length; at += 2) {
    const name = fields[at] as string;
    const value = fields[at + 1] as string;
    const fault = checkField(name, value);
    if (fault !== null) return fault;
    if (name === 'host') {
      if (host !== null && host.toLowerCase() !== value.toLowerCase()) return H2_FAULT.authority;
      host ??= value;
    } else if (name === 'cookie') {
      // RFC 9113 §8.2.3: split for compression, one line again for everyone else.
      cookies += cookies === '' ? value : `; ${value}`;
    } else lines += `${name}: ${value}\r\n`;
  }
  if (host === null) return FAULT.badHost;
  if (cookies !== '') lines += `cookie: ${cookies}\r\n`;
  return `\r\nHost: ${host}\r\n${lines}`;
}

/** A WebSocket goes on as the upgrade that backends of HTTP/1.1 know. */
function connectText({ path }: Pseudo, lines: string, key: string): string | Fault {
  if (key === '' || lines.includes('\r\ncontent-length: ') || lines.includes('\r\nsec-websocket-key: '))
    return H2_FAULT.pseudoField;
  const upgrade = `connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: ${key}\r\n`;
  return `GET ${path} HTTP/1.1${lines}${upgrade}\r\n`;
}

/** One regular field of a request, a response or trailers. */
export function checkField(name: string, value: string): Fault | null {
  if (!isFieldName(name)) return name.startsWith(':') ? H2_FAULT.pseudoField : FAULT.badHeaderName;
  if (!isValue(value)) return FAULT.badHeaderValue;
  if (OF_A_CONNECTION.has(name) || (name === 'te' && value !== 'trailers')) return H2_FAULT.connectionField;
  return null;
}

/** Trailers as lines with the empty line that ends them; null where they are malformed. */
export function trailerText(fields: readonly string[]): string | null {
  let text = '';
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at] as string;
    const value = fields[at + 1] as string;
    if (checkField(name, value) !== null) return null;
    text += `${name}: ${value}\r\n`;
  }
  return text === '' ? '' : `${text}\r\n`;
}

function isFieldName(name: string): boolean {
  for (let at = 0; at < name.length; at++) {
    const code = name.charCodeAt(at);
    if (code >= 0x41 && code <= 0x5a) return false;
    if (((BYTE_CLASS[code] as number) & TOKEN) === 0) return false;
  }
  return name !== '';
}

/** No control bytes, and no blanks around it: RFC 9113 §8.2.1. */
function isValue(value: string): boolean {
  if (value === '') return true;
  if (isBlank(value.charCodeAt(0)) || isBlank(value.charCodeAt(value.length - 1))) return false;
  return consistsOf(value, VALUE);
}

function consistsOf(text: string, bit: number): boolean {
  for (let at = 0; at < text.length; at++) if (((BYTE_CLASS[text.charCodeAt(at)] as number) & bit) === 0) return false;
  return true;
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
