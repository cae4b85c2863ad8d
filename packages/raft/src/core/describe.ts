/**
 * One line per event, effect and message, for traces and scenario scripts. Stable: expected traces are compared with it.
 */
import type { Effect } from './effects.ts';
import type { Event } from './events.ts';
import type { Message } from './messages.ts';
import { EntryKind, type ConfState, type Entry, type HardState, type SnapshotMeta } from './types.ts';
import { decodeConfEntry } from './conf-change.ts';

const KIND_NAMES = { [EntryKind.normal]: 'normal', [EntryKind.conf]: 'conf', [EntryKind.noop]: 'noop' };

export function describeConf(conf: ConfState): string {
  const outgoing = conf.votersOutgoing.length > 0 ? `&&(${conf.votersOutgoing.join(' ')})` : '';
  const learners = conf.learners.length > 0 ? ` learners=(${conf.learners.join(' ')})` : '';
  const next = conf.learnersNext.length > 0 ? ` learnersNext=(${conf.learnersNext.join(' ')})` : '';
  return `voters=(${conf.voters.join(' ')})${outgoing}${learners}${next}${conf.autoLeave ? ' autoLeave' : ''}`;
}

/** `5@2` is the entry at index 5 of term 2. */
export function describeEntry(entry: Entry): string {
  const place = `${entry.index}@${entry.term}`;
  if (entry.kind === EntryKind.noop) return `${place} noop`;
  const caller = entry.origin === '' ? '' : ` ${entry.origin}/${entry.seq}`;
  if (entry.kind === EntryKind.normal) return `${place}${caller}`;
  const steps = decodeConfEntry(entry.data)?.change.steps ?? [];
  const what = steps.length === 0 ? 'leave-joint' : steps.map(({ op, id }) => `${op} ${id}`).join(', ');
  return `${place} ${KIND_NAMES[entry.kind]}${caller} {${what}}`;
}

function describeEntries(entries: readonly Entry[]): string {
  return `[${entries.map(describeEntry).join(', ')}]`;
}

function describeHard({ term, vote, commit }: HardState): string {
  return `term=${term} vote=${vote ?? '-'} commit=${commit}`;
}

function describeSnapshot(meta: SnapshotMeta): string {
  return `snapshot ${meta.index}@${meta.term} ${describeConf(meta.conf)}`;
}

function describeMessage(message: Message): string {
  const { type, term } = message;
  switch (message.type) {
    case 'vote': {
      const { pre, lastIndex, lastTerm, transfer } = message;
      return `${pre ? 'pre-vote' : 'vote'} term=${term} last=${lastIndex}@${lastTerm}${transfer ? ' transfer' : ''}`;
    }
    case 'vote-response':
      return `${message.pre ? 'pre-' : ''}vote-response term=${term} ${message.granted ? 'granted' : 'refused'}`;
    case 'append': {
      const { prevIndex, prevTerm, commit, entries } = message;
      return `append term=${term} prev=${prevIndex}@${prevTerm} commit=${commit} ${describeEntries(entries)}`;
    }
    case 'append-response': {
      const { rejected, index, hintIndex, hintTerm } = message;
      if (!rejected) return `append-response term=${term} index=${index}`;
      return `append-response term=${term} rejected=${index} hint=${hintIndex}@${hintTerm}`;
    }
    case 'heartbeat':
      return `heartbeat term=${term} commit=${message.commit} read=${message.readSeq}`;
    case 'heartbeat-response':
      return `heartbeat-response term=${term} read=${message.readSeq}`;
    case 'timeout-now':
      return `timeout-now term=${term}`;
    case 'forward':
      return `forward term=${term} seqs=[${message.proposals.map(({ seq }) => seq).join(' ')}]`;
    case 'forward-response': {
      const results = message.results.map(({ seq, index, refused }) => `${seq}:${refused ?? index}`);
      return `forward-response term=${term} ${results.join(' ')}`;
    }
    case 'forward-conf':
      return `forward-conf term=${term} seq=${message.seq} ${message.change.steps.map(({ op, id }) => `${op} ${id}`).join(', ')}`;
    case 'read-index':
      return `read-index term=${term} seq=${message.seq}`;
    case 'read-index-response':
      return `${type} term=${term} seq=${message.seq} ${message.refused ?? `index=${message.index}`}`;
  }
}

/** Several lines where effects wait inside. */
export function describeEffect(effect: Effect): string[] {
  switch (effect.type) {
    case 'persist': {
      const parts = [`persist #${effect.io}`, effect.barrier === true ? 'barrier' : describeHard(effect.hard)];
      if (effect.installSnapshot !== null) parts.push(`install ${describeSnapshot(effect.installSnapshot)}`);
      if (effect.truncateFrom !== null) parts.push(`truncate-from=${effect.truncateFrom}`);
      if (effect.append.length > 0) parts.push(describeEntries(effect.append));
      const waiting = effect.release.flatMap(describeEffect).map((line) => `  then ${line}`);
      return [parts.join(' '), ...waiting];
    }
    case 'send':
      return [`send ${effect.to} ${describeMessage(effect.message)}`];
    case 'send-snapshot':
      return [`send-snapshot ${effect.to} term=${effect.term} ${describeSnapshot(effect.meta)}`];
    case 'apply':
      return [`apply ${describeEntries([...effect.entries])}`];
    case 'restore':
      return [`restore ${describeSnapshot(effect.meta)}`];
    case 'proposed':
      return effect.outcomes.map((outcome) =>
        outcome.accepted
          ? `proposed ${outcome.seq} at ${outcome.index}@${outcome.term}`
          : `proposed ${outcome.seq} refused: ${outcome.refused}`,
      );
    case 'read-ready':
      return [`read-ready ${effect.seq} index=${effect.index}`];
    case 'read-failed':
      return [`read-failed ${effect.seq} refused: ${effect.refused}`];
    case 'role':
      return [`role ${effect.role} term=${effect.term} leader=${effect.leader ?? '-'}`];
    case 'conf':
      return [`conf at ${effect.index} ${describeConf(effect.conf)}`];
    case 'diverged':
      return [`diverged ${effect.replica} at ${effect.index} ours=${effect.ours} theirs=${effect.theirs}`];
    case 'wake-at':
      return [`wake-at ${effect.atMs}`];
    case 'halt':
      return [`halt: ${effect.reason}`];
  }
}

export function describeEvent(event: Event): string {
  switch (event.type) {
    case 'receive':
      return `receive ${event.from} ${describeMessage(event.message)}`;
    case 'propose':
      return `propose [${event.proposals.map(({ seq }) => seq).join(' ')}]`;
    case 'propose-conf':
      return `propose-conf ${event.seq} ${event.change.steps.map(({ op, id }) => `${op} ${id}`).join(', ')}`;
    case 'read-index':
      return `read-index ${event.seq}`;
    case 'persisted':
      return `persisted #${event.io}`;
    case 'applied':
      return `applied ${event.index}${event.digest === '' ? '' : ` digest=${event.digest}`}`;
    case 'snapshot-saved':
      return `snapshot-saved ${event.meta.index}@${event.meta.term} compact-to=${event.compactTo}`;
    case 'snapshot-received':
      return `snapshot-received ${event.from} term=${event.term} ${event.meta.index}@${event.meta.term}`;
    case 'snapshot-sent':
      return `snapshot-sent ${event.to} index=${event.index} ${event.ok ? 'ok' : 'failed'}`;
    case 'link-down':
      return `link-down ${event.peer}${event.reset ? ' reset' : ''}`;
    case 'link-up':
      return `link-up ${event.peer}`;
    case 'transfer':
      return `transfer ${event.to ?? 'to the best'}`;
    case 'disk':
      return `disk${event.stalled ? ' stalled' : ''}${event.full ? ' full' : ''}`;
    case 'stall':
      return `stall ${event.gapMs} ms`;
    case 'time':
      return `time ${event.nowMs}`;
  }
}
