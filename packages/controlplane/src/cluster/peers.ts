/**
 * What the other nodes say of themselves: whether they are ready and which revision their proxy threads serve. Asked over
 * their own `GET /ready`, which needs no token; kept out of the log because it is a view, not a decision.
 *
 * The simplest thing that is robust: an answer is at most a second old, and one that cannot be had counts as not ready.
 */
import { Agent as HttpAgent, get as httpGet, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, get as httpsGet } from 'node:https';
import { checkedBy, type NodeTls } from './node-tls.ts';
import { peerPollMs, peerPollTimeoutMs } from '../limits.ts';

export interface PeerView {
  readonly reachable: boolean;
  readonly ready: boolean;
  readonly activeRevision: number;
  readonly appliedIndex: number;
  readonly connections: number;
  readonly drained: boolean;
  readonly reasons: readonly string[];
  /** When it said so, by `performance.now`. */
  readonly atMs: number;
}

export interface PeerAddressBook {
  /** Other members with an API address. */
  (): readonly { readonly id: string; readonly api: string }[];
}

const UNREACHABLE: PeerView = {
  reachable: false,
  ready: false,
  activeRevision: 0,
  appliedIndex: 0,
  connections: 0,
  drained: false,
  reasons: ['does not answer'],
  atMs: 0,
};
const ANSWER_MAX_BYTES = 65_536;

export class Peers {
  readonly #others: PeerAddressBook;
  readonly #views = new Map<string, PeerView>();
  readonly #tls: () => NodeTls | null;
  readonly #agent: HttpAgent | HttpsAgent;
  readonly #get: typeof httpGet;
  readonly #timer: NodeJS.Timeout;
  #closed = false;
  /** One question at a time per peer; who comes meanwhile shares its answer. */
  readonly #asking = new Map<string, Promise<PeerView>>();

  /** `tls`: the nodes' API speaks https; asked anew for each connection, since certificates are renewed. */
  constructor(others: PeerAddressBook, tls: () => NodeTls | null) {
    this.#tls = tls;
    this.#others = others;
    const shared = { keepAlive: true, maxSockets: 4 };
    if (tls() === null) {
      this.#agent = new HttpAgent(shared);
      this.#get = httpGet;
    } else {
      this.#agent = new HttpsAgent(shared);
      this.#get = httpsGet as typeof httpGet;
    }
    this.#timer = setInterval(() => void this.refresh(), peerPollMs);
    this.#timer.unref();
  }

  /** The newest answer of a node. */
  view(id: string): PeerView {
    return this.#views.get(id) ?? UNREACHABLE;
  }

  async refresh(): Promise<void> {
    if (this.#closed) return;
    const others = this.#others();
    for (const id of this.#views.keys()) if (!others.some((other) => other.id === id)) this.#views.delete(id);
    await Promise.all(others.map((other) => this.#ask(other)));
  }

  /** Asks everybody now; answers what they said. A question that is under way may be answered from before, and is asked again. */
  async callRoll(): Promise<readonly (readonly [id: string, view: PeerView])[]> {
    if (this.#closed) return [];
    const askAnew = async (other: { readonly id: string; readonly api: string }) => {
      await this.#asking.get(other.id);
      return [other.id, await this.#ask(other)] as const;
    };
    return Promise.all(this.#others().map(askAnew));
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
    this.#agent.destroy();
  }

  #ask(other: { readonly id: string; readonly api: string }): Promise<PeerView> {
    const asked = this.#asking.get(other.id);
    if (asked !== undefined) return asked;
    const answer = this.#fetch(other).then((view) => {
      this.#asking.delete(other.id);
      this.#views.set(other.id, view);
      return view;
    });
    this.#asking.set(other.id, answer);
    return answer;
  }

  #fetch({ id, api }: { readonly id: string; readonly api: string }): Promise<PeerView> {
    return new Promise((resolve) => {
      const scheme = this.#agent instanceof HttpsAgent ? 'https' : 'http';
      const tls = this.#tls();
      const request = this.#get(
        `${scheme}://${api}/ready`,
        {
          agent: this.#agent,
          signal: AbortSignal.timeout(peerPollTimeoutMs),
          ...(tls === null ? {} : checkedBy(tls, id)),
        },
        (response) => void readView(response).then(resolve, () => resolve(UNREACHABLE)),
      );
      request.on('error', (error: NodeJS.ErrnoException) =>
        resolve({ ...UNREACHABLE, reasons: [`does not answer: ${error.code ?? error.message}`] }),
      );
    });
  }
}

async function readView(response: IncomingMessage): Promise<PeerView> {
  let text = '';
  for await (const chunk of response.setEncoding('utf8') as AsyncIterable<string>) {
    text += chunk;
    if (text.length > ANSWER_MAX_BYTES) throw new Error('answer too large');
  }
  const body = JSON.parse(text) as Partial<PeerView>;
  return {
    reachable: true,
    ready: body.ready === true,
    activeRevision: Number(body.activeRevision ?? 0),
    appliedIndex: Number(body.appliedIndex ?? 0),
    connections: Number(body.connections ?? 0),
    drained: body.drained === true,
    reasons: body.reasons ?? [],
    atMs: performance.now(),
  };
}
