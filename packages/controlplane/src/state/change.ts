/** What one entry did, as it is remembered: the rows of history and audit trail are made of it when somebody reads them. */
import type { RowHash } from './hash.ts';
import type { AuditRow, HistoryRow, UndoRow } from './rows.ts';

/** What was changed. Immutable: it is asked when rows are made of it, which may be much later, or never. */
export interface Story {
  readonly target: string;
  /** A line for people. */
  readonly summary: string;
  /** What was there before; none where the configuration was not changed. */
  readonly undo?: UndoRow;
  /** No row of the history with this story is longer, as UTF-8 text without the envelope; not given where only its hash can tell. */
  readonly maxBytes?: number;
}

/** The longest that a character of JSON text becomes: `\u001f`, in bytes. */
export const CHAR_MAX_BYTES = 6;
/** Names and numbers of a row of the history, without its texts. */
const ENVELOPE_MAX_BYTES = 300;

/** Which entry it was, and who asked. */
export interface Origin {
  readonly index: number;
  readonly timeMs: number;
  readonly author: string;
  readonly source: string;
  readonly action: string;
}

export class Change implements Origin {
  readonly index: number;
  readonly previousRevision: number;
  /** Of the configuration after it. */
  readonly revision: number;
  readonly timeMs: number;
  readonly author: string;
  readonly source: string;
  readonly action: string;
  readonly story: Story;

  constructor(
    { index, timeMs, author, source, action }: Origin,
    revisions: [previous: number, now: number],
    story: Story,
  ) {
    this.index = index;
    this.previousRevision = revisions[0];
    this.revision = revisions[1];
    this.timeMs = timeMs;
    this.author = author;
    this.source = source;
    this.action = action;
    this.story = story;
  }

  /** No row of the history that is made of it is longer, in bytes as UTF-8; infinite where only its hash can tell. */
  get historyMaxBytes(): number {
    const { maxBytes = Infinity } = this.story;
    const chars = this.author.length + this.source.length + this.action.length;
    return ENVELOPE_MAX_BYTES + chars * CHAR_MAX_BYTES + maxBytes;
  }
}

export function historyRow(change: Change): HistoryRow {
  const { revision, previousRevision, timeMs, author, source, action } = change;
  const { summary, undo = {} } = change.story;
  return { revision, previousRevision, timeMs, author, source, action, summary, undo };
}

export function auditRow(change: Change): AuditRow {
  const { index, timeMs, author, source, action, revision } = change;
  const { target, summary } = change.story;
  return { index, timeMs, author, source, action, target, summary, revision };
}

/** The text of `historyRow`, under its index. */
export function writeHistoryRow(hash: RowHash, change: Change): void {
  const { summary, undo } = change.story;
  writeKey(hash, change);
  hash.raw('{"revision":');
  hash.number(change.revision);
  hash.raw(',"previousRevision":');
  hash.number(change.previousRevision);
  hash.raw(',"timeMs":');
  hash.number(change.timeMs);
  writeAuthorship(hash, change);
  hash.raw(',"summary":');
  hash.text(summary);
  hash.raw(',"undo":');
  hash.raw(JSON.stringify(undo ?? {}));
  hash.raw('}]');
}

/** The text of `auditRow`, under its index. */
export function writeAuditRow(hash: RowHash, change: Change): void {
  const { target, summary } = change.story;
  writeKey(hash, change);
  hash.raw('{"index":');
  hash.number(change.index);
  hash.raw(',"timeMs":');
  hash.number(change.timeMs);
  writeAuthorship(hash, change);
  hash.raw(',"target":');
  hash.text(target);
  hash.raw(',"summary":');
  hash.text(summary);
  hash.raw(',"revision":');
  hash.number(change.revision);
  hash.raw('}]');
}

/** Either row stands under the index of its entry. */
function writeKey(hash: RowHash, { index }: Change): void {
  hash.raw('["');
  hash.number(index);
  hash.raw('",');
}

function writeAuthorship(hash: RowHash, change: Change): void {
  hash.raw(',"author":');
  hash.text(change.author);
  hash.raw(',"source":');
  hash.text(change.source);
  hash.raw(',"action":');
  hash.text(change.action);
}
