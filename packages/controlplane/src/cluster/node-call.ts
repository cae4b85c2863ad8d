/**
 * Asks another node's API for something on behalf of this node or of its caller: to join its cluster, or what only the
 * leader can do. One request, one answer, bounded time.
 */
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { type ErrorCode, ERROR_CODES, FlotillaError } from '@flotilla/shared';
import { nodeCallTimeoutMs } from '../limits.ts';
import type { HostPort } from '../ports.ts';
import { checkedBy, type NodeTls } from './node-tls.ts';
import type { JoinAnswer, JoinRequest } from './membership.ts';

export interface NodeCall {
  readonly api: HostPort;
  readonly method: 'POST' | 'GET';
  readonly path: string;
  /** Whole value of the Authorization field, or null. */
  readonly authorization: string | null;
  /** Which node it should be; null where any member will do. */
  readonly id: string | null;
  /** The API speaks https; null: http. */
  readonly tls: NodeTls | null;
  readonly body: object | null;
  /** Default: `nodeCallTimeoutMs`. */
  readonly timeoutMs?: number;
}

export function askToJoin(options: {
  readonly api: HostPort;
  readonly token: string | null;
  readonly tls: NodeCall['tls'];
  readonly request: JoinRequest;
}): Promise<JoinAnswer> {
  const { api, token, tls, request } = options;
  const authorization = token === null ? null : `Bearer ${token}`;
  return callNode({
    api,
    id: null,
    method: 'POST',
    path: '/v1/members',
    authorization,
    tls,
    body: request,
  }) as Promise<JoinAnswer>;
}

/** The answer's body; its error, where it is one. */
export function callNode(call: NodeCall): Promise<unknown> {
  const { api, id, method, path, authorization, tls, body } = call;
  const payload = body === null ? '' : JSON.stringify(body);
  const headers = {
    ...(authorization === null ? {} : { authorization }),
    ...(body === null ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }),
  };
  const signal = AbortSignal.timeout(call.timeoutMs ?? nodeCallTimeoutMs);
  const options = { host: api.host, port: api.port, method, path, headers, signal };
  return new Promise((resolve, reject) => {
    const request = tls === null ? httpRequest(options) : httpsRequest({ ...options, ...checkedBy(tls, id) });
    request.on('error', reject);
    request.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (text += chunk));
      response.on('error', reject);
      response.on('end', () => {
        try {
          const answer: unknown = JSON.parse(text);
          if (response.statusCode === 200) resolve(answer);
          else reject(errorOf(answer, response.statusCode ?? 0));
        } catch (error) {
          reject(new Error(`no JSON in the answer (status ${response.statusCode})`, { cause: error }));
        }
      });
    });
    request.end(payload);
  });
}

function errorOf(answer: unknown, status: number): Error {
  const { error } = answer as { error?: { code?: string; message?: string; hint?: string } };
  const code = error?.code ?? '';
  const message = error?.message ?? `status ${status}`;
  if (!(code in ERROR_CODES)) return new Error(message);
  return new FlotillaError(code as ErrorCode, message, error?.hint === undefined ? {} : { hint: error.hint });
}
