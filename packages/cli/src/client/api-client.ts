/**
 * A client of the API with the rights of any other: several servers with failover between them, and patience while an
 * election is under way. A write is repeated only where it certainly changed nothing.
 */
import type { IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { INTRODUCTION_TIMEOUT_MS, RETRY_FOR_DEFAULT_MS, RETRY_PAUSE_MS } from '../limits.ts';
import { exchange, ExchangeError, open } from './exchange.ts';
import type { ExchangeAnswer, ExchangeRequest } from './exchange.ts';

export interface ApiClientOptions {
  readonly servers: readonly URL[];
  readonly token?: string | null;
  readonly ca?: string | null;
  /** How long to go on asking while nobody answers or there is no leader; 0: ask each server once. */
  readonly retryForMs?: number;
}

export interface ApiCall {
  readonly method?: string;
  readonly path: string;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Sent as it is. */
  readonly yaml?: string;
  /** Revision for If-Match. */
  readonly ifMatch?: string;
}

export interface ApiAnswer<T> {
  readonly status: number;
  readonly body: T;
  /** Revision from ETag, without quotes; null where there is none. */
  readonly revision: string | null;
  readonly server: string;
}

/** What the API refused, in its words. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly hint: string;
  readonly details: readonly { readonly path: string; readonly message: string }[];

  constructor(status: number, text: string) {
    const error = errorIn(text);
    super(error.message ?? `HTTP ${status}`);
    this.name = 'ApiError';
    this.status = status;
    this.code = error.code ?? `HTTP_${status}`;
    this.hint = error.hint ?? '';
    this.details = error.details ?? [];
  }
}

/** No server could be asked. */
export class UnreachableError extends Error {
  constructor(faults: readonly string[]) {
    super(`no server answers:\n${[...new Set(faults)].map((fault) => `  ${fault}`).join('\n')}`);
    this.name = 'UnreachableError';
  }
}

/** A change was sent, and no answer came. */
export class UnknownOutcomeError extends Error {
  constructor(fault: string) {
    super(`${fault}; the change may or may not have been made: read before you repeat it`);
    this.name = 'UnknownOutcomeError';
  }
}

export class ApiClient {
  readonly #options: ApiClientOptions;
  /** The server that answered last is asked first. */
  #servers: readonly URL[];
  /** Those that are known to be nodes. */
  readonly #introduced = new Set<URL>();

  constructor(options: ApiClientOptions) {
    this.#options = options;
    this.#servers = options.servers;
  }

  async get<T>(path: string): Promise<T> {
    return (await this.call<T>({ path })).body;
  }

  /** One round over the servers, no patience: for what is asked again soon anyway. */
  async once<T>(path: string): Promise<T> {
    const outcome = await this.#round({ path });
    if ('failure' in outcome) throw outcome.failure;
    return toAnswer<T>(outcome.answer, outcome.server).body;
  }

  /** An answer that is not JSON. */
  async text(path: string): Promise<string> {
    const outcome = await this.#round({ path });
    if ('failure' in outcome) throw outcome.failure;
    if (outcome.answer.status !== 200) throw new ApiError(outcome.answer.status, outcome.answer.text);
    return outcome.answer.text;
  }

  /** Throws {@link ApiError} for any answer that is not 2xx, {@link UnreachableError} where there is none. */
  async call<T>(call: ApiCall): Promise<ApiAnswer<T>> {
    const deadlineMs = performance.now() + (this.#options.retryForMs ?? RETRY_FOR_DEFAULT_MS);
    for (;;) {
      const outcome = await this.#round(call);
      if ('answer' in outcome) return toAnswer<T>(outcome.answer, outcome.server);
      if (performance.now() + RETRY_PAUSE_MS > deadlineMs) throw outcome.failure;
      await sleep(RETRY_PAUSE_MS);
    }
  }

  /** Server-sent events of one server; ends with the connection. */
  async *events(path: string, signal: AbortSignal): AsyncGenerator<{ event: string; data: string; id: string }> {
    const faults: string[] = [];
    for (const server of this.#servers) {
      let incoming: IncomingMessage;
      try {
        await this.#introduce(server);
        incoming = await open(server, this.#request({ path }, { accept: 'text/event-stream' }), signal);
        if (incoming.statusCode !== 200) {
          const chunks = await incoming.toArray();
          throw new ApiError(incoming.statusCode ?? 0, Buffer.concat(chunks as Buffer[]).toString('utf8'));
        }
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof ExchangeError)) throw error;
        faults.push(error.message);
        continue;
      }
      try {
        yield* parseEvents(incoming.setEncoding('utf8') as AsyncIterable<string>);
      } catch {
        // A connection that breaks is the end of what it told, as one that is closed.
      }
      return;
    }
    throw new UnreachableError(faults);
  }

  /** Asks one server after the other until one gives an answer that another could not better. */
  async #round(call: ApiCall): Promise<{ answer: ExchangeAnswer; server: URL } | { failure: Error }> {
    const faults: string[] = [];
    let refusal: ApiError | null = null;
    for (const server of this.#servers) {
      try {
        await this.#introduce(server);
        const answer = await exchange(server, this.#request(call));
        if (!isPassing(answer)) {
          this.#servers = [server, ...this.#options.servers.filter((other) => other !== server)];
          return { answer, server };
        }
        refusal = new ApiError(answer.status, answer.text);
      } catch (error) {
        if (!(error instanceof ExchangeError)) throw error;
        if (error.wasSent && (call.method ?? 'GET') !== 'GET') {
          throw new UnknownOutcomeError(error.message);
        }
        faults.push(error.message);
      }
    }
    return { failure: refusal ?? new UnreachableError(faults) };
  }

  /**
   * Whoever is asked for the first time is asked whether it is a node: a listener or a stranger answers too, and what it says to
   * a change would pass for success. A node that stands still is passed over before anything was sent to it.
   */
  async #introduce(server: URL): Promise<void> {
    if (this.#introduced.has(server)) return;
    const headers = { accept: 'application/json' };
    const request = { method: 'GET', path: '/live', headers, body: null, ca: this.#options.ca ?? null };
    const { text } = await exchange(server, request, INTRODUCTION_TIMEOUT_MS).catch((error: unknown) => {
      throw error instanceof ExchangeError ? new ExchangeError(error.message, false) : error;
    });
    if (!isNode(text)) throw new ExchangeError(`${server.host}: answers, but is not the API of a node`, false);
    this.#introduced.add(server);
  }

  #request(call: ApiCall, more: Record<string, string> = {}): ExchangeRequest {
    const headers: Record<string, string> = { accept: 'application/json', ...more };
    if (this.#options.token) headers.authorization = `Bearer ${this.#options.token}`;
    if (call.ifMatch !== undefined) headers['if-match'] = `"${call.ifMatch}"`;
    if (call.yaml !== undefined) headers['content-type'] = 'application/yaml';
    else if (call.body !== undefined) headers['content-type'] = 'application/json';
    const body = call.yaml ?? (call.body === undefined ? null : JSON.stringify(call.body));
    return { method: call.method ?? 'GET', path: call.path, headers, body, ca: this.#options.ca ?? null };
  }
}

/** 503 by the contract means that nothing was changed: another server, or the same one later, may do better. */
const isPassing = (answer: ExchangeAnswer): boolean => answer.status === 503 && errorIn(answer.text).code !== undefined;

function toAnswer<T>(answer: ExchangeAnswer, server: URL): ApiAnswer<T> {
  if (answer.status < 200 || answer.status > 299) throw new ApiError(answer.status, answer.text);
  const etag = answer.headers.etag;
  return {
    status: answer.status,
    body: (answer.text === '' ? {} : JSON.parse(answer.text)) as T,
    revision: etag === undefined ? null : etag.replace(/^W\//, '').replaceAll('"', ''),
    server: server.host,
  };
}

/** What `GET /live` of a node says, or a refusal in the words of the API. */
function isNode(text: string): boolean {
  if (errorIn(text).code !== undefined) return true;
  try {
    return (JSON.parse(text) as { live?: unknown } | null)?.live === true;
  } catch {
    return false;
  }
}

interface ErrorBody {
  readonly code?: string;
  readonly message?: string;
  readonly hint?: string;
  readonly details?: readonly { readonly path: string; readonly message: string }[];
}

function errorIn(text: string): ErrorBody {
  try {
    return (JSON.parse(text) as { error?: ErrorBody } | null)?.error ?? {};
  } catch {
    return {};
  }
}

async function* parseEvents(
  chunks: AsyncIterable<string>,
): AsyncGenerator<{ event: string; data: string; id: string }> {
  let rest = '';
  for await (const chunk of chunks) {
    const blocks = (rest + chunk).split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      const fields: Record<string, string> = {};
      for (const line of block.split('\n')) {
        const colon = line.indexOf(':');
        if (colon > 0) fields[line.slice(0, colon)] = line.slice(colon + 1).trimStart();
      }
      if (fields.data !== undefined) yield { event: fields.event ?? 'message', data: fields.data, id: fields.id ?? '' };
    }
  }
}
