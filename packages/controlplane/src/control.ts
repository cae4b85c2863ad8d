/**
 * The control thread: opens what it needs in order, wires the parts to one another, and closes them in reverse. The parts
 * know nothing of each other but what they are given here.
 *
 * The API listens first. Everything that may take long (opening the store, forming or joining the cluster) happens behind
 * it and shows in /ready; what this node has on its own disk is served as soon as it is read, whoever else is there.
 */
import type { MessagePort } from 'node:worker_threads';
import { errorText, EXIT, PIN_PROPOSAL_WORDS, type RoutingSnapshot } from '@flotilla/shared';
import type { Logger } from '@flotilla/shared/runtime';
import type { FastifyInstance } from 'fastify';
import { Authenticator } from './api/auth.ts';
import { createServer, type Noted, renewCertificate } from './api/server.ts';
import { routes } from './api/routes/index.ts';
import { WatchHub } from './api/watch-hub.ts';
import { Boot } from './cluster/boot.ts';
import { Session } from './cluster/session.ts';
import { formatHostPort } from './cluster/address-book.ts';
import { NodeContext } from './node-context.ts';
import { Prober } from './health/prober.ts';
import { probeTargets } from './health/target.ts';
import { apiCloseMs, expiryWarnEveryMs } from './limits.ts';
import { ControlMetrics } from './metrics.ts';
import type { ControlHandle, ControlLinks, ControlSettings, Credentials, HostPort } from './ports.ts';
import { Publisher } from './publish/publisher.ts';
import { CredentialStore, expiryWarning } from './secrets/credential-store.ts';
import { type Sealing, sealingOf } from './secrets/seal-draft.ts';

export async function startControl(
  settings: ControlSettings,
  links: ControlLinks,
  log: Logger,
): Promise<ControlHandle> {
  const control = new Control(settings, links, log);
  await control.start();
  return control;
}

class Control implements ControlHandle {
  readonly #settings: ControlSettings;
  readonly #links: ControlLinks;
  readonly #log: Logger;
  readonly #metrics = new ControlMetrics();
  readonly #watch = new WatchHub();
  readonly #authenticator: Authenticator;
  readonly #credentials: CredentialStore;
  readonly #sealing: Sealing;
  readonly #publisher: Publisher;
  readonly #prober: Prober;
  readonly #context: NodeContext;
  readonly #boot: Boot;
  #session: Session | null = null;
  #server: FastifyInstance | null = null;
  #opening: Promise<void> = Promise.resolve();
  #closed: Promise<void> | null = null;
  #apiUrl = '';
  #expiry: NodeJS.Timeout | undefined;

  constructor(settings: ControlSettings, links: ControlLinks, log: Logger) {
    this.#settings = settings;
    this.#authenticator = new Authenticator(settings.tokens);
    this.#credentials = new CredentialStore(settings, () => this.#configuredCertificates());
    this.#sealing = sealingOf(settings);
    this.#links = links;
    this.#log = log;
    this.#publisher = new Publisher(() => this.#session?.feed.current() ?? null, {
      onListener: (threadId, report) => {
        if (!report.bound) log.error({ threadId, ...report }, 'a listener could not be bound');
        this.#session?.duties.run();
      },
      onOutlier: (pool, backend) => this.#session?.outlier(pool, backend),
      onPins: (words, skipped) => this.#pinsOffered(words, skipped),
      onPropagated: (seconds) => this.#metrics.propagated(seconds),
    });
    this.#prober = new Prober({
      onOpinion: (opinion) => this.#session?.observer.note(opinion),
      onProbe: (pool, seconds) => this.#metrics.probed(pool, seconds),
    });
    this.#boot = new Boot(settings, log, this.#metrics.raft);
    this.#context = new NodeContext({
      settings,
      links,
      publisher: this.#publisher,
      metrics: this.#metrics,
      watch: this.#watch,
      sealing: this.#sealing,
      credentials: this.#credentials,
      session: () => this.#session,
      progress: () => this.#boot.progress,
    });
  }

  get apiUrl(): string {
    return this.#apiUrl;
  }

  get raftAddress(): HostPort {
    return this.#boot.raftAddress;
  }

  async start(): Promise<void> {
    this.#warnOfExpiry();
    this.#expiry = setInterval(() => this.#warnOfExpiry(), expiryWarnEveryMs).unref();
    for (const { threadId, port } of this.#links.proxyPorts) this.addProxyPort(threadId, port);
    const { apiListen, apiTls, version } = this.#settings;
    const authenticator = this.#authenticator;
    const onNoted = (note: Noted): void => this.#log.warn(note, 'noted by the API');
    const onInternalError = (error: unknown, request: object): void =>
      this.#log.error({ err: error, ...request }, 'the API met an unexpected error');
    this.#server = await createServer({ authenticator, tls: apiTls, version, onNoted, onInternalError }, (app) =>
      routes(app, this.#context),
    );
    await this.#server.listen({ host: apiListen.host, port: apiListen.port });
    const bound = this.#server.addresses()[0];
    const address = { host: apiListen.host, port: typeof bound === 'object' ? bound.port : apiListen.port };
    this.#apiUrl = `${apiTls === null ? 'http' : 'https'}://${formatHostPort(address)}`;
    this.#log.info({ api: this.#apiUrl }, 'the API listens');
    this.#opening = this.#open(formatHostPort(this.#settings.apiAdvertise ?? address)).catch((error: unknown) =>
      this.#fatal(error),
    );
  }

  addProxyPort(threadId: number, port: MessagePort): void {
    this.#publisher.addPort(threadId, port);
  }

  diverge(): void {
    this.#log.warn('the state is made to differ from that of the other nodes, on request');
    this.#session?.host.machine.diverge();
  }

  renew(credentials: Credentials): void {
    const { tokens, apiTls } = credentials;
    if (apiTls !== null && this.#server !== null) renewCertificate(this.#server, apiTls);
    this.#boot.renew(credentials);
    this.#authenticator.replace(tokens);
    this.#credentials.replace(credentials);
    this.#log.info({ tokens: tokens.length }, 'tokens and certificates were read again');
    this.#warnOfExpiry();
  }

  close(options: { readonly deadlineMs: number }): Promise<void> {
    this.#closed ??= this.#close(options.deadlineMs);
    return this.#closed;
  }

  async #open(api: string): Promise<void> {
    const opened = await this.#boot.open(api);
    // Closed meanwhile: nothing was started that would have to be stopped, except the store.
    if (opened === null) return;
    this.#session = new Session({
      ...opened,
      api,
      settings: this.#settings,
      log: this.#log,
      publisher: this.#publisher,
      prober: this.#prober,
      watch: this.#watch,
      own: this.#context,
      sealing: this.#sealing,
      onPinsSkipped: (count) => this.#metrics.pinsSkipped(count),
      onSnapshot: (snapshot: RoutingSnapshot) => this.#prober.setTargets(probeTargets(snapshot)),
      onHalt: (error: unknown) => this.#fatal(error),
    });
    await this.#session.open();
    this.#log.info({ replica: this.#session.host.raft.replica }, 'member of the cluster');
  }

  #pinsOffered(words: Int32Array, skipped: number): void {
    if (this.#session === null) this.#metrics.pinsSkipped(words.length / PIN_PROPOSAL_WORDS + skipped);
    else this.#session.pins.offer(words, skipped);
  }

  *#configuredCertificates(): IterableIterator<{ readonly name: string; readonly certPem: string }> {
    const certificates = this.#session?.host.state.certificates;
    for (const [, certificate] of certificates?.entries() ?? []) yield certificate;
  }

  #warnOfExpiry(): void {
    for (const age of this.#credentials.ages(Date.now())) {
      const warning = expiryWarning(age);
      if (warning !== null) this.#log.warn({ ...age }, warning);
    }
  }

  #fatal(error: unknown): void {
    if (this.#closed !== null) return;
    const code = (error as { code?: string } | null)?.code ?? '';
    const exitCode = EXIT_CODES[code];
    if (exitCode === undefined) {
      this.#log.error({ err: error }, 'unforeseen: the control thread ends, a new one may do better');
      setImmediate(() => {
        throw error;
      });
      return;
    }
    this.#log.fatal({ err: error }, 'the control thread cannot go on');
    const advice = ADVICE[code];
    this.#links.onFatal?.(exitCode, advice === undefined ? errorText(error) : `${errorText(error)}. ${advice}`);
  }

  async #close(deadlineMs: number): Promise<void> {
    const timer = new Promise<void>((resolve) => void setTimeout(resolve, deadlineMs).unref());
    await Promise.race([this.#closeAll(), timer]);
  }

  async #closeAll(): Promise<void> {
    this.#context.stopping = true;
    clearInterval(this.#expiry);
    this.#boot.abort();
    await this.#opening;
    await this.#session?.close();
    this.#prober.close();
    const server = this.#server;
    if (server !== null) await Promise.race([server.close(), pause(apiCloseMs)]);
    this.#context.close();
    this.#publisher.close();
    this.#metrics.close();
  }
}

/** What a new control thread would meet again. */
const EXIT_CODES: Readonly<Record<string, number>> = {
  DISK: EXIT.disk,
  DAMAGED: EXIT.disk,
  EADDRINUSE: EXIT.unavailable,
  EADDRNOTAVAIL: EXIT.unavailable,
  EACCES: EXIT.unavailable,
  WRONG_CLUSTER: EXIT.configuration,
  NOT_MEMBER: EXIT.configuration,
  CONF_INVALID: EXIT.configuration,
  // How the raft node says that an invariant is broken: going on could do harm.
  STOPPED: EXIT.internal,
};

const ADVICE: Readonly<Record<string, string>> = {
  NOT_MEMBER:
    'If its disk was lost: remove the member through another node (flotilla members remove ID), then start it with FLOTILLA_JOIN set to the API address of that node',
  DAMAGED:
    'Move the data directory away, remove the member through another node (flotilla members remove ID) and let this one join again: FLOTILLA_JOIN',
};

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, ms).unref());
}
