/**
 * The client's side of a request, as the request sees it. Filled by a connection of HTTP/1.1, and by a stream of HTTP/2.
 */
import type { ListenerTable } from '../config/table.ts';
import type { ListenerStats } from '../metrics/stats-recorder.ts';
import type { ProxiedAddresses } from '../upstream/user.ts';
import type { MessageWriter } from './message-writer.ts';

export interface ClientSide {
  readonly out: MessageWriter;
  readonly remoteAddress: string;
  readonly scheme: 'http' | 'https';
  /** Field line about the client's verified certificate, '' without one. */
  readonly certificateField: string;
  readonly stats: ListenerStats;
  listener(): ListenerTable;
  addresses(): ProxiedAddresses;
  /** The connection is to end after the running request: drain, age, or the client's half-close. */
  readonly isEnding: boolean;
  pauseReading(): void;
  resumeReading(): void;
  /** The response is written. `keepAlive`: the next request may follow. */
  exchangeDone(keepAlive: boolean): void;
  /** The response cannot be finished: the client must see that it is cut. */
  abort(): void;
  startTunnel(): void;
  /** The backend's side of the tunnel is gone: what is under way is still delivered. */
  tunnelDone(): void;
}
