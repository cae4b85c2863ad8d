/**
 * An HTTP backend of Node's own for strangers' requests: says what it was sent, and answers with bodies of any size.
 */
import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { startHttpBackend } from '@flotilla/dataplane/testing';
import type { TestBackend } from '@flotilla/dataplane/testing';

export interface Told {
  readonly name: string;
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly trailers: Readonly<Record<string, string>>;
  readonly bodyBytes: number;
  readonly bodySha256: string;
}

/** `/bytes/N`: N bytes; `/events`: three events, one after the other; anything else: {@link Told} as JSON. */
export function startOrigin(name: string): Promise<TestBackend> {
  return startHttpBackend(name, (request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://origin');
    if (pathname.startsWith('/bytes/')) bytes(response, Number(pathname.slice('/bytes/'.length)));
    else if (pathname === '/events') events(response);
    else tell(name, request, response);
  });
}

function bytes(response: ServerResponse, count: number): void {
  response.setHeader('content-type', 'application/octet-stream');
  response.end(Buffer.alloc(count, 'flotilla'));
}

function events(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  let sent = 0;
  const timer = setInterval(() => {
    response.write(`data: ${++sent}\n\n`);
    if (sent === 3) {
      clearInterval(timer);
      response.end();
    }
  }, 20);
  response.on('close', () => clearInterval(timer));
}

function tell(name: string, request: IncomingMessage, response: ServerResponse): void {
  const hash = createHash('sha256');
  let bodyBytes = 0;
  request.on('data', (chunk: Buffer) => {
    bodyBytes += chunk.length;
    hash.update(chunk);
  });
  request.on('end', () => {
    const told = {
      name,
      method: request.method,
      url: request.url,
      headers: request.headers,
      trailers: request.trailers,
      bodyBytes,
      bodySha256: hash.digest('hex'),
    };
    response.setHeader('content-type', 'application/json');
    response.end(`${JSON.stringify(told)}\n`);
  });
}
