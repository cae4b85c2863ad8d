/**
 * Answers of our own: errors, redirects, TRACE and OPTIONS that end here. All are small and complete.
 */
import type { Fault } from '../http1/faults.ts';
import type { ClientSide } from './client.ts';

export interface Reply {
  readonly status: number;
  /** For X-Flotilla-Error, logs and metrics; '' where it is no error. */
  readonly reason: string;
  /** Lines beside those that every answer has. */
  readonly fields: string;
  readonly body: string;
}

const PHRASES: Readonly<Record<number, string>> = {
  200: 'OK',
  301: 'Moved Permanently',
  302: 'Found',
  303: 'See Other',
  307: 'Temporary Redirect',
  308: 'Permanent Redirect',
  400: 'Bad Request',
  408: 'Request Timeout',
  413: 'Content Too Large',
  414: 'URI Too Long',
  417: 'Expectation Failed',
  431: 'Request Header Fields Too Large',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
  505: 'HTTP Version Not Supported',
};

const RETRY_AFTER = 'Retry-After: 1\r\n';

export function faultReply(fault: Fault): Reply {
  const body = `{"error":{"code":"${fault.reason}","status":${fault.status}}}\n`;
  const retryAfter = fault.status === 503 ? RETRY_AFTER : '';
  const fields = `Content-Type: application/json\r\nX-Flotilla-Error: ${fault.reason}\r\n${retryAfter}`;
  return { status: fault.status, reason: fault.reason, fields, body };
}

/** `withBody`: false for HEAD, whose answer promises a body that it does not have. */
export function replyText(reply: Reply, dateLine: string, keepAlive: boolean, withBody: boolean): string {
  const { status, fields, body } = reply;
  const connection = keepAlive ? '' : 'Connection: close\r\n';
  const head = `HTTP/1.1 ${status} ${PHRASES[status] ?? ''}\r\n${dateLine}${fields}Content-Length: ${body.length}\r\n`;
  return `${head}${connection}\r\n${withBody ? body : ''}`;
}

/** Answers a request that is none, and counts it: it has no route, pool or backend. The connection is to end after it. */
export function refuse(client: Pick<ClientSide, 'out' | 'stats'>, fault: Fault, dateLine: string): void {
  const { out, stats } = client;
  stats.request('', '', fault.status, 0);
  stats.error(fault.reason);
  out.text(replyText(faultReply(fault), dateLine, false, true));
  out.flush();
  stats.bytesOut += out.takeBytes();
}
