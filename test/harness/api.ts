/**
 * The API of one node as tests call it: one try, no failover, every status an answer.
 */

export interface ApiReply {
  readonly status: number;
  // oxlint-disable-next-line typescript/no-explicit-any -- answers of all kinds, checked by what tests expect of them
  readonly body: any;
  readonly headers: Headers;
}

export interface ApiSend {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
}

export type ApiCall = (method: string, path: string, send?: ApiSend) => Promise<ApiReply>;

/** A client for `http://host:port`. Rejects only where there is no answer. */
export function apiOf(base: string, defaults: Readonly<Record<string, string>> = {}): ApiCall {
  return async (method, path, send = {}) => {
    const response = await fetch(`${base}${path}`, {
      method,
      // A connection kept to a node that is killed would fail the first call after its return.
      headers: {
        connection: 'close',
        ...(send.body === undefined ? {} : { 'content-type': 'application/json' }),
        ...defaults,
        ...send.headers,
      },
      body: send.body === undefined ? null : JSON.stringify(send.body),
      signal: AbortSignal.timeout(send.timeoutMs ?? 10_000),
    });
    const text = await response.text();
    let body: unknown = text;
    try {
      body = JSON.parse(text);
    } catch {
      // Not everything is JSON: /metrics, the dashboard.
    }
    return { status: response.status, body, headers: response.headers };
  };
}
