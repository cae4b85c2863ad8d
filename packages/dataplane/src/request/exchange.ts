/**
 * One request and its response as data: what the phases read and write. It decides nothing and does no I/O.
 *
 * One object per client connection, used again for each of its requests.
 */
import type { Backend, ListenerTable, PickContext, Pool, RouteTable } from '../config/table.ts';
import { RequestHead } from '../http1/head.ts';
import { hostName } from '../http1/host.ts';
import type { BodyFraming } from '../upstream/user.ts';
import type { ClientSide } from './client.ts';
import type { HttpEngine } from './engine.ts';

const NO_HEAD = new RequestHead();

export class Exchange implements PickContext {
  readonly client: ClientSide;
  readonly engine: HttpEngine;
  head: RequestHead = NO_HEAD;
  listener: ListenerTable;
  route: RouteTable | null = null;
  pool: Pool | null = null;
  backend: Backend | null = null;
  /** `performance.now` at the head's end. */
  startedMs = 0;
  /** The same by the coarse clock. */
  startedCoarseMs = 0;
  /** Its line of the access log will be written: the ends of its phases are noted. */
  isLogged = false;
  /** When it had a connection, ready or not; when it was sent; when the head of its answer came. By `nowMs`, 0 where it did not come so far. */
  assignedMs = 0;
  sentMs = 0;
  answeredMs = 0;
  /** Field line of a trace that was started for it, '' for none. */
  traceLine = '';
  /** The client's address is one whose forwarding fields are believed. */
  trusted = false;
  /** `X-Request-Id` and the other forwarding lines for the backend, '' until made. */
  forwardingLines = '';
  requestId = '';
  /** Forwarding lines that are the same for every request of this client to `peerLinesHost`, '' until made. */
  peerLines = '';
  peerLinesHost = '';
  /** The affinity cookie that the response sets, as a line with its end; '' for none. */
  setCookie = '';
  requestDone = false;
  /** The head of the final response was accepted; no other answer is possible once it is flushed. */
  responded = false;
  /** Bytes of the final response are with the client. */
  responseSent = false;
  responseKeepAlive = false;
  /** How the body goes to the client; differs from how it came where one side speaks HTTP/1.0 or closes to end a body. */
  responseFraming: BodyFraming = 'none';
  upstreamFraming: BodyFraming = 'none';
  upgradeRequested = false;
  status = 0;
  /** Why it failed, '' where it did not. */
  reason = '';
  attempts = 0;
  staleRetried = false;
  bytesIn = 0;
  /** Content of the response so far, framing included where it came in chunks. */
  responseBytes = 0;

  // PickContext: what the balancing algorithms may look at.
  clientIp = '';
  path = '';
  query = '';
  tried: Backend[] = [];

  /** The host of the request before, and its name for the routes: nearly always that of the next one. */
  #host = '';
  #hostName = '';

  constructor(client: ClientSide, engine: HttpEngine) {
    this.client = client;
    this.engine = engine;
    this.listener = client.listener();
  }

  /** Host of the request as routes are matched against. */
  hostName(): string {
    const { host } = this.head;
    if (host !== this.#host) {
      this.#host = host;
      this.#hostName = hostName(host);
    }
    return this.#hostName;
  }

  readonly header = (lowerName: string): string | undefined => this.head.field(lowerName);

  begin(head: RequestHead): void {
    const { context } = this.engine;
    this.head = head;
    this.listener = this.client.listener();
    this.route = null;
    this.pool = null;
    this.backend = null;
    this.startedMs = context.nowMs();
    this.startedCoarseMs = context.timers.nowMs;
    this.requestDone = !head.chunked && head.contentLength <= 0;
    this.forwardingLines = '';
    this.setCookie = '';
    this.responded = false;
    this.responseSent = false;
    this.responseKeepAlive = false;
    this.responseFraming = 'none';
    this.upstreamFraming = 'none';
    this.upgradeRequested = false;
    this.status = 0;
    this.reason = '';
    this.attempts = 0;
    this.staleRetried = false;
    this.bytesIn = head.end;
    this.responseBytes = 0;
    this.traceLine = '';
    const { sampleRatio } = this.listener.spec.accessLog;
    this.isLogged = sampleRatio > 0 && (sampleRatio >= 1 || context.random() < sampleRatio);
    if (this.isLogged) this.assignedMs = this.sentMs = this.answeredMs = 0;
    this.path = head.path;
    this.query = head.query;
    if (this.tried.length > 0) this.tried = [];
  }

  noteAssigned(): void {
    if (this.isLogged) this.assignedMs = this.engine.context.nowMs();
  }

  noteSent(): void {
    if (this.isLogged) this.sentMs = this.engine.context.nowMs();
  }

  noteAnswered(): void {
    if (this.isLogged) this.answeredMs = this.engine.context.nowMs();
  }

  /** Whether the listener allows no response body of this length. */
  isTooLong(bytes: number): boolean {
    const { maxResponseBodyBytes } = this.listener.spec;
    return maxResponseBodyBytes > 0 && bytes > maxResponseBodyBytes;
  }

  /** Lets go of what a long idle connection should not hold. */
  end(): void {
    this.head = NO_HEAD;
    this.route = null;
    this.pool = null;
    this.backend = null;
    this.forwardingLines = '';
  }
}
