/**
 * Keeps one outgoing connection to one peer: dials, redials with jittered backoff, and tells when it stands and why it
 * fell. When a peer closes the connection it dials again at once, because only that tells a process that is gone from a
 * connection that broke.
 */
import type { PeerAddress, TimerHandle } from '../driver/ports.ts';
import type { CloseCause, Connection } from './connection.ts';
import { FrameType } from './framing.ts';
import type { LocalIdentity } from './identity.ts';
import {
  CLOSE_HEARD_MAX_MS,
  DIAL_STALE_MS,
  PING_EVERY_MS,
  RECONNECT_MAX_MS,
  RECONNECT_MIN_MS,
  RESET_VERDICT_MS,
  SILENCE_MAX_MS,
} from './limits.ts';
import { DialError, dialPeer } from './outgoing.ts';

export interface LaneDialerOptions {
  readonly local: LocalIdentity;
  readonly peer: PeerAddress;
  readonly channel: 'control' | 'bulk';
  readonly maxFrameBytes: number;
  readonly maxQueueBytes: number;
  readonly onUp: () => void;
  /** `reset`: the peer's process is gone. */
  readonly onDown: (reset: boolean) => void;
}

export class LaneDialer {
  readonly #options: LaneDialerOptions;
  #connection: Connection | null = null;
  #cancelDial: (() => void) | null = null;
  #retry: TimerHandle | null = null;
  #verdict: TimerHandle | null = null;
  #delayMs = RECONNECT_MIN_MS;
  #pingedMs = 0;
  #dialledMs = 0;
  #up = false;
  #closed = false;

  constructor(options: LaneDialerOptions) {
    this.#options = options;
  }

  /** The standing connection, or null. */
  get connection(): Connection | null {
    return this.#connection;
  }

  start(): void {
    this.#dial();
  }

  /** The peer has just been heard of: no reason to wait. */
  poke(): void {
    if (this.#closed || this.#connection !== null) return;
    this.#delayMs = RECONNECT_MIN_MS;
    if (this.#retry !== null) {
      this.#retry.cancel();
      this.#retry = null;
      this.#dial();
    } else if (this.#options.local.clock.nowMs() - this.#dialledMs > DIAL_STALE_MS) {
      this.#cancelDial?.();
    }
  }

  /** Called by the transport's watch: pings, and gives up a peer that does not answer. */
  watch(nowMs: number): void {
    const connection = this.#connection;
    if (connection === null) return;
    if (nowMs - connection.heardMs > SILENCE_MAX_MS) {
      connection.close('silent');
    } else if (nowMs - this.#pingedMs >= PING_EVERY_MS) {
      this.#pingedMs = nowMs;
      connection.send(FrameType.ping, () => undefined);
    }
  }

  close(): void {
    this.#closed = true;
    this.#retry?.cancel();
    this.#verdict?.cancel();
    this.#cancelDial?.();
    const connection = this.#connection;
    this.#connection = null;
    connection?.end();
  }

  #dial(): void {
    const { local, peer, channel } = this.#options;
    const target = { host: peer.host, port: peer.port, channel, expected: peer.replica };
    const { result, cancel } = dialPeer(local, target);
    this.#dialledMs = local.clock.nowMs();
    this.#cancelDial = cancel;
    result.then(
      ({ connection }) => this.#connected(connection),
      (error: unknown) => this.#failed(error),
    );
  }

  #connected(connection: Connection): void {
    const { local, maxFrameBytes, maxQueueBytes, onUp, onDown } = this.#options;
    this.#cancelDial = null;
    if (this.#closed || connection.closed) {
      connection.close('local');
      if (!this.#closed) this.#failed(new DialError(null, 'reset'));
      return;
    }
    this.#delayMs = RECONNECT_MIN_MS;
    connection.admit(maxFrameBytes, maxQueueBytes);
    connection.handlers = {
      onFrame: () => undefined,
      onClosed: (cause) => this.#lost(cause),
    };
    this.#connection = connection;
    this.#pingedMs = local.clock.nowMs();
    // It closed and answers again at once: the process lives, only the connection was lost.
    if (this.#verdict !== null) {
      this.#verdict.cancel();
      this.#verdict = null;
      this.#up = false;
      onDown(false);
    }
    this.#up = true;
    onUp();
  }

  #lost(cause: CloseCause): void {
    if (this.#closed || this.#connection === null) return;
    const { clock } = this.#options.local;
    const silentMs = clock.nowMs() - this.#connection.heardMs;
    this.#connection = null;
    if ((cause === 'peer-closed' || cause === 'reset') && silentMs < CLOSE_HEARD_MAX_MS) {
      this.#verdict = clock.setTimer(clock.nowMs() + RESET_VERDICT_MS, () => this.#judge(true));
      this.#dial();
    } else {
      this.#down(false);
      this.#again();
    }
  }

  #failed(error: unknown): void {
    if (this.#closed) return;
    this.#cancelDial = null;
    const { local, peer, channel } = this.#options;
    if (error instanceof DialError && error.refused !== null) {
      if (channel === 'control')
        local.refusals.note(error.refused, 'out', { peer: peer.replica, detail: error.message });
      // Another replica, or one that is not ready for peers: the process that we talked to is gone.
      this.#judge(error.refused === 'WRONG_PEER' || error.refused === 'BUSY');
      if (error.refused !== 'BUSY') this.#delayMs = RECONNECT_MAX_MS;
    } else {
      this.#judge(true);
    }
    this.#again();
  }

  /** The question whether the peer's process is gone has an answer. */
  #judge(reset: boolean): void {
    if (this.#verdict === null) return;
    this.#verdict.cancel();
    this.#verdict = null;
    this.#down(reset);
  }

  #down(reset: boolean): void {
    if (!this.#up) return;
    this.#up = false;
    this.#options.onDown(reset);
  }

  #again(): void {
    if (this.#closed || this.#retry !== null) return;
    const { clock, random } = this.#options.local;
    const jitteredMs = this.#delayMs / 2 + random.integer(Math.ceil(this.#delayMs));
    this.#delayMs = Math.min(this.#delayMs * 2, RECONNECT_MAX_MS);
    this.#retry = clock.setTimer(clock.nowMs() + jitteredMs, () => {
      this.#retry = null;
      this.#dial();
    });
  }
}
