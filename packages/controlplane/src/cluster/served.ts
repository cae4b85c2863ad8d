/**
 * Whether a revision is served: by the proxy threads of this node, and by those of every other living one. Each node is asked
 * once and answers when it knows: its threads follow, or a listener of the change cannot be opened there, or time is over.
 */
import { FlotillaError } from '@flotilla/shared';
import { servedRetryMs } from '../limits.ts';
import type { Publisher } from '../publish/publisher.ts';

export interface ServedQuestion {
  readonly revision: number;
  /** Listeners whose state matters: those that the change touched. */
  readonly listeners: readonly string[];
  readonly timeoutMs: number;
}

export interface ServedAnswer {
  readonly id: string;
  /** All proxy threads follow this revision or a later one. */
  readonly served: boolean;
  /** Why a listener is not served as it should be; empty: all are. */
  readonly faults: readonly string[];
}

export async function servedHere(publisher: Publisher, id: string, question: ServedQuestion): Promise<ServedAnswer> {
  const { revision, listeners, timeoutMs } = question;
  const served = publisher.activeRevision >= revision || (await publisher.whenActive(revision, timeoutMs));
  return { id, served, faults: served ? publisher.refusals(listeners) : [] };
}

export interface ServedEverywhere {
  readonly others: readonly string[];
  readonly ask: (id: string, timeoutMs: number) => Promise<ServedAnswer>;
  /** One that dies meanwhile is not waited for. */
  readonly isAlive: (id: string) => boolean;
}

/** Answers of the others. One that cannot be asked is asked again until time is over or it is known to be dead. */
export function servedByOthers(nodes: ServedEverywhere, deadlineMs: number): Promise<ServedAnswer[]> {
  const { others, ask, isAlive } = nodes;
  const one = async (id: string): Promise<ServedAnswer[]> => {
    for (;;) {
      const leftMs = Math.max(0, Math.round(deadlineMs - performance.now()));
      const answer = await ask(id, leftMs).catch(() => null);
      if (answer !== null) return [answer];
      if (!isAlive(id)) return [];
      if (performance.now() + servedRetryMs >= deadlineMs) return [{ id, served: false, faults: ['does not answer'] }];
      await new Promise((resolve) => void setTimeout(resolve, servedRetryMs));
    }
  };
  return Promise.all(others.map(one)).then((answers) => answers.flat());
}

/** Throws NOT_SERVED where a node does not serve the revision, or not all of it. */
export function refuseUnserved(revision: number, answers: readonly ServedAnswer[]): void {
  const behind = answers.filter(({ served }) => !served).map(({ id }) => id);
  const details = answers.flatMap(({ id, faults }) => faults.map((message) => ({ path: id, message })));
  if (behind.length === 0 && details.length === 0) return;
  const parts = [
    ...(behind.length === 0 ? [] : [`not served yet by ${behind.join(', ')}`]),
    ...details.map(({ path, message }) => `${path}: ${message}`),
  ];
  const hint = 'Free what is in the way, and it is served; or go back: flotilla rollback, to the revision before.';
  throw new FlotillaError('NOT_SERVED', `revision ${revision} is committed; ${parts.join('; ')}`, {
    details,
    ...(details.length === 0 ? {} : { hint }),
  });
}
