/**
 * What all kinds of probes share: how one ends, and which host it asks for.
 */
import type { ProbeTarget } from './target.ts';

export interface Attempt {
  /** Ends the probe: true is healthy. Later calls are ignored. */
  settle(ok: boolean, detail: string): void;
}

/** The authority that the backend sees. */
export function hostField(target: ProbeTarget): string {
  if (target.health.host !== null) return target.health.host;
  const host = target.host.includes(':') ? `[${target.host}]` : target.host;
  return `${host}:${target.port}`;
}
