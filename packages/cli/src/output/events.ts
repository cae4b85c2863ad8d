/**
 * What happened in the cluster, in a line that is understood at once: for `watch`.
 */

type Data = Readonly<Record<string, unknown>>;

/** What people read of an event; one that this version does not know is shown as it came. */
export function eventText(type: string, data: Data): string {
  return SENTENCES[type]?.(data) ?? JSON.stringify(data);
}

const SENTENCES: Readonly<Record<string, (data: Data) => string>> = {
  config: ({ revision, author, summary }) => `revision ${revision} by ${author}: ${summary}`,
  verdict: ({ pool, backend, from, verdict, reason }) => `${pool}/${backend}: ${from} → ${verdict} (${reason})`,
  member: (data) => `${data.id} ${memberText(data)}`,
  leader: ({ id, term }) => (id === null ? `nobody leads (term ${term})` : `${id} leads (term ${term})`),
  drain: (data) => `${data.id} ${drainText(data)}`,
  session: ({ pool, key, backend }) =>
    backend === null ? `${pool}: ${key} is pinned no more` : `${pool}: ${key} is pinned to ${backend}`,
};

function memberText({ removed, alive, ready, reasons }: Data): string {
  if (removed === true) return 'is no member any more';
  if (alive !== true) return 'is not alive';
  if (ready === true) return 'is ready';
  const why = (reasons as readonly string[] | undefined) ?? [];
  return why.length === 0 ? 'is alive, not ready' : `is not ready: ${why.join('; ')}`;
}

function drainText({ phase, connections }: Data): string {
  if (phase === null) return 'is in service again';
  return typeof connections === 'number' ? `${phase}: ${connections} connections left` : String(phase);
}
