/**
 * Runs cases one after the other until a time or a count is reached, and keeps account: what was tried how often, what came
 * through, what was refused, and where proxy and reference part. A case is made from one number alone and can be told again.
 */
import { startHttp2Round } from './http2-round.ts';
import { Random } from './random.ts';
import { startRequestRound } from './request-round.ts';
import { startResponseRound } from './response-round.ts';
import type { Outcome, Round } from './round.ts';

/** A case that takes longer hangs. */
const CASE_LIMIT_MS = 10_000;
const PROGRESS_MS = 10_000;
/** After so many disagreements the run ends: they will have one cause. */
const DISAGREEMENTS_MAX_COUNT = 10;

export interface Account {
  tried: number;
  forwarded: number;
  refused: number;
}

export interface Disagreement {
  readonly round: string;
  readonly seed: number;
  readonly mutations: readonly string[];
  readonly text: string;
}

export interface FuzzReport {
  readonly cases: number;
  readonly seconds: number;
  /** By kind of case and mutation; mutations that were never tried are there with zeros. */
  readonly coverage: ReadonlyMap<string, Account>;
  readonly disagreements: readonly Disagreement[];
}

export interface FuzzOptions {
  /** Of the first case; the next one has the next number. */
  readonly seed: number;
  readonly milliseconds: number;
  /** One case only, however much time there is. */
  readonly once?: boolean;
  readonly progress?: (text: string) => void;
}

export async function fuzz({
  seed,
  milliseconds,
  once = false,
  progress = () => {},
}: FuzzOptions): Promise<FuzzReport> {
  const rounds = [await startRequestRound(), await startResponseRound(), await startHttp2Round()];
  const coverage = new Map<string, Account>();
  for (const { name, mutations } of rounds)
    for (const mutation of mutations) coverage.set(`${name}: ${mutation}`, { tried: 0, forwarded: 0, refused: 0 });
  const disagreements: Disagreement[] = [];
  const startedMs = performance.now();
  let shownMs = startedMs;
  let cases = 0;
  try {
    do {
      const caseSeed = seed + cases;
      const random = new Random(caseSeed);
      const round = rounds[[0, 0, 1, 1, 2][random.below(5)] ?? 0] as Round;
      const outcome = await limited(round.run(random), `${round.name} case ${caseSeed}`);
      cases++;
      count(coverage, round.name, outcome);
      const { mutations, disagreement } = outcome;
      if (disagreement !== '') disagreements.push({ round: round.name, seed: caseSeed, mutations, text: disagreement });
      if (performance.now() - shownMs >= PROGRESS_MS) {
        shownMs = performance.now();
        progress(`${cases} cases, ${disagreements.length} disagreements, next seed ${seed + cases}`);
      }
    } while (!once && performance.now() - startedMs < milliseconds && disagreements.length < DISAGREEMENTS_MAX_COUNT);
  } finally {
    for (const round of rounds) await round.close();
  }
  return { cases, seconds: (performance.now() - startedMs) / 1_000, coverage, disagreements };
}

function count(coverage: ReadonlyMap<string, Account>, round: string, { mutations, result }: Outcome): void {
  for (const mutation of new Set(mutations)) {
    const account = coverage.get(`${round}: ${mutation}`);
    if (account === undefined) throw new Error(`an unknown mutation: ${mutation}`);
    account.tried++;
    if (result === 'forwarded') account.forwarded++;
    if (result === 'refused') account.refused++;
  }
}

async function limited(outcome: Promise<Outcome>, what: string): Promise<Outcome> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} does not come to an end`)), CASE_LIMIT_MS);
  });
  try {
    return await Promise.race([outcome, limit]);
  } catch (error) {
    throw new Error(`${what}: ${(error as Error).message}`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}
