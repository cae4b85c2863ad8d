/**
 * One kind of case: makes it from chance, sends it through the proxy, and has the reference judge.
 */
import type { Random } from './random.ts';

export interface Outcome {
  /** What was done to the message. */
  readonly mutations: readonly string[];
  /** 'forwarded', 'refused', or why the case says nothing. */
  readonly result: string;
  /** '' where proxy and reference agree; else what each of them read. */
  readonly disagreement: string;
}

export interface Round {
  readonly name: string;
  /** All that it can do to a message. */
  readonly mutations: readonly string[];
  run(random: Random): Promise<Outcome>;
  close(): Promise<void>;
}

/** Source addresses take turns, so that no run is short of ports. */
export function clientAddress(random: Random): string {
  return `127.0.${random.below(250)}.${1 + random.below(250)}`;
}

/** What a report shows of both sides. */
export function difference(sent: string, read: unknown, got: unknown): string {
  const shown = (value: unknown): string => JSON.stringify(value).slice(0, 1_500);
  return `sent ${shown(sent)}\n  reference reads ${shown(read)}\n  behind the proxy ${shown(got)}`;
}
