/**
 * Faults that the simulator must find: each one breaks a rule of the product in one place, by replacing a piece of its source
 * as it is loaded. The product itself knows nothing of them. `find` must stand in its file exactly once.
 */
export interface Mutation {
  readonly name: string;
  /** Several where one rule is kept in more than one place. */
  readonly changes: readonly Change[];
  /** It must be caught within so many seeds; what is harmless must pass all of them. */
  readonly withinSeeds: number;
  /** A control: no rule is broken, only a guard's need is shown by what is built upon it. */
  readonly isHarmless?: true;
}

export interface Change {
  /** Below packages/raft/src, or below the state of the control plane where it begins with `state/`. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

const SEEDS = 40;
const MANY_SEEDS = 150;

/** As the paper's leader does: right by itself, but then only the follower's own bound keeps it from its stale tail. */
const EMPTY_PROBES = [
  'core/replication.ts',
  'const hasEntries = !full && progress.next <= s.log.lastIndex;',
  "const hasEntries = !full && progress.state !== 'probe' && progress.next <= s.log.lastIndex;",
] as const;

function mutation(name: string, file: string, change: readonly [string, string], withinSeeds = SEEDS): Mutation {
  return { name, changes: [{ file, find: change[0], replace: change[1] }], withinSeeds };
}

/** A fault that shows only where the guard that stands behind it is gone too. */
function together(
  name: string,
  ...changes: readonly (readonly [file: string, find: string, replace: string])[]
): Mutation {
  return { name, changes: changes.map(([file, find, replace]) => ({ file, find, replace })), withinSeeds: MANY_SEEDS };
}

export const MUTATIONS: readonly Mutation[] = [
  // Votes.
  mutation('vote before it is on disk', 'core/election.ts', [
    "sendDurable(s, from, { type: 'vote-response', term: s.term, pre: false, granted: true,",
    "send(s, from, { type: 'vote-response', term: s.term, pre: false, granted: true,",
  ]),
  mutation('candidacy before it is on disk', 'core/election.ts', [
    'else sendDurable(s, peer, request);',
    'else send(s, peer, request);',
  ]),
  mutation('two votes in a term', 'core/election.ts', [
    's.vote === from || (s.vote === null && s.leader === null) ||',
    's.leader === null ||',
  ]),
  mutation(
    'vote forgotten by a restart',
    'core/state.ts',
    ['vote: hard.term < log.lastTerm ? null : hard.vote,', 'vote: null,'],
    MANY_SEEDS,
  ),
  mutation('log compared by length only', 'core/log.ts', [
    'return term > this.lastTerm || (term === this.lastTerm && index >= this.lastIndex);',
    'return index >= this.lastIndex;',
  ]),
  mutation('log not compared', 'core/log.ts', [
    'return term > this.lastTerm || (term === this.lastTerm && index >= this.lastIndex);',
    'return term >= 0 && index >= 0;',
  ]),
  mutation('half of the voters is a majority', 'core/quorum.ts', [
    'return Math.floor(voterCount / 2) + 1;',
    'return Math.max(1, Math.floor(voterCount / 2));',
  ]),
  mutation(
    'joint membership decided by the new half',
    'core/quorum.ts',
    [
      'return Math.min(majorityValue(conf.voters, valueOf), majorityValue(conf.votersOutgoing, valueOf));',
      'return majorityValue(conf.voters, valueOf);',
    ],
    MANY_SEEDS,
  ),
  mutation('learners vote', 'core/quorum.ts', [
    'const incoming = majorityVote(conf.voters, votes);',
    'const incoming = majorityVote([...conf.voters].slice(0, 1).concat(conf.learners), votes);',
  ]),
  // Log and commit.
  mutation('own entries count before they are on disk', 'core/replication.ts', [
    '(id === s.self ? s.durable :',
    '(id === s.self ? s.log.lastIndex :',
  ]),
  mutation('acknowledges before the entries are on disk', 'core/following.ts', [
    'function acknowledge(s: RaftState, to: ReplicaId, index: Index): void {\n  sendDurable(',
    'function acknowledge(s: RaftState, to: ReplicaId, index: Index): void {\n  send(',
  ]),
  mutation('takes entries without comparing the one before', 'core/following.ts', [
    'if (message.prevIndex >= s.commit && known !== message.prevTerm)',
    'if (message.prevIndex > s.log.lastIndex)',
  ]),
  mutation('cuts off whatever an append does not carry', 'core/following.ts', [
    'const fresh = firstUnknown(s, message.entries);',
    'const fresh = message.entries.filter((entry) => entry.index > s.commit);',
  ]),
  mutation('keeps a conflicting tail', 'core/following.ts', [
    's.log.termAt(entry.index) !== entry.term) {',
    's.log.termAt(entry.index) === undefined) {',
  ]),
  mutation(
    'old writes count for a log that was cut off',
    'core/following.ts',
    ['for (const write of s.writes) write.durableTo = Math.min(write.durableTo, from - 1);', ''],
    MANY_SEEDS,
  ),
  mutation('applies before it is committed', 'core/applying.ts', [
    'while (!s.installing && s.applying < Math.min(s.commit, s.durable)) {\n    const last = Math.min(s.commit, s.durable);',
    'while (!s.installing && s.applying < s.durable) {\n    s.commit = Math.max(s.commit, s.durable);\n    const last = s.durable;',
  ]),
  mutation(
    'commits entries of former terms by counting',
    'core/replication.ts',
    ['if (index <= s.commit || s.log.termAt(index) !== s.term) return;', 'if (index <= s.commit) return;'],
    MANY_SEEDS,
  ),
  {
    ...together('control: a leader that probes with empty appends', EMPTY_PROBES),
    withinSeeds: SEEDS,
    isHarmless: true,
  },
  together(
    'follower believes any commit index, of a leader that probes with empty appends',
    [
      'core/following.ts',
      's.commit = Math.max(s.commit, Math.min(message.commit, s.matched));\n  acknowledge(',
      's.commit = Math.max(s.commit, Math.min(message.commit, s.log.lastIndex));\n  acknowledge(',
    ],
    EMPTY_PROBES,
  ),
  together(
    'acknowledges to the end of its own log, to a leader that probes with empty appends',
    ['core/following.ts', 'acknowledge(s, from, lastNew);', 'acknowledge(s, from, s.log.lastIndex);'],
    EMPTY_PROBES,
  ),
  together(
    "heartbeat commits to the end of the follower's log, and carries all that is committed",
    [
      'core/following.ts',
      's.commit = Math.max(s.commit, Math.min(message.commit, s.matched));\n  send(',
      's.commit = Math.max(s.commit, Math.min(message.commit, s.log.lastIndex));\n  send(',
    ],
    ['core/reads.ts', 'const commit = Math.min(progress.match, s.commit);', 'const { commit } = s;'],
  ),
  mutation(
    'leader ignores a later term in acknowledgements',
    'core/raft.ts',
    [
      'if (message.term > s.term && !meetLaterTerm(s, from, message)) return;',
      "if (message.term > s.term && (message.type === 'append-response' || !meetLaterTerm(s, from, message))) return;",
    ],
    MANY_SEEDS,
  ),
  // Reads.
  mutation('reads under a lease that outlasts its end', 'core/reads.ts', [
    '    if (read.confirmSeq > confirmed || read.index === -1) break;',
    `    const heard = quorumValue(s.conf, (id) => id === s.self ? Infinity : (leading.progress.get(id)?.lastContactMs ?? 0));
    const leased = s.nowMs - heard < 2 * s.config.electionMaxMs;
    if ((read.confirmSeq > confirmed && !leased) || read.index === -1) break;`,
  ]),
  mutation('reads without asking a quorum', 'core/reads.ts', [
    'if (read.confirmSeq > confirmed || read.index === -1) break;',
    'if (read.index === -1) break;\n    if (confirmed < 0) break;',
  ]),
  mutation(
    'reads before the first commit of the term',
    'core/reads.ts',
    ['const index = s.commit >= leading.termStart ? s.commit : -1;', 'const index = s.commit;'],
    MANY_SEEDS,
  ),
  mutation('read round reused', 'core/reads.ts', [
    'leading.reads.push({ seq, from, index, confirmSeq: s.readSeq + 1 });',
    'leading.reads.push({ seq, from, index, confirmSeq: s.readSeq });',
  ]),
  mutation('caller joins a read under way', 'driver/reads.ts', [
    'if (index <= applied) this.#settle(callers, index);',
    'if (index <= applied + 3) this.#settle(callers, index);',
  ]),
  // Membership.
  mutation('snapshot without its membership', 'core/snapshotting.ts', ['  s.conf = meta.conf;\n', '']),
  mutation(
    'snapshot with the newest membership',
    'driver/confs.ts',
    ['if ((this.#known[i]?.index ?? Infinity) <= index) found = i;', 'found = i;'],
    MANY_SEEDS,
  ),
  mutation(
    'second change before the first is in force',
    'core/membership.ts',
    [
      "  if (leading.pendingConfIndex > s.applying) return 'conf-pending';\n  if (isJoint(s.conf) && change.steps.length > 0) return 'conf-pending';",
      "  if (isJoint(s.conf) && change.steps.length > 0) return 'conf-pending';",
    ],
    MANY_SEEDS,
  ),
  mutation('any change in one step', 'core/conf-change.ts', [
    'if (voterDistance(conf.voters, simple.voters) <= 1) return simple;',
    'if (voterDistance(conf.voters, simple.voters) <= 3) return simple;',
  ]),
  // Disk.
  mutation('batches are not synced', 'storage/write-lane.ts', ['{ sync: true }', '{ sync: false }']),
  mutation(
    'truncation is not written',
    'driver/persister.ts',
    ['truncateFrom = truncateFrom === null ? effect.truncateFrom : Math.min(truncateFrom, effect.truncateFrom);', ''],
    MANY_SEEDS,
  ),
  mutation('hard state of the first of several writes', 'driver/persister.ts', [
    'effects.findLast((effect) => effect.barrier !== true)',
    'effects.find((effect) => effect.barrier !== true)',
  ]),
  mutation('effects released before the write', 'driver/persister.ts', [
    'storage.persist(batch).then(',
    'this.#options.onDurable(effects.splice(0));\n    storage.persist(batch).then(',
  ]),
  mutation('disk errors are ignored', 'storage/write-lane.ts', [
    '        job.reject(this.#failed);\n        this.#next();',
    '        this.#failed = null;\n        job.resolve();\n        this.#next();',
  ]),
  mutation(
    'damaged entries are taken',
    'storage/records.ts',
    ["if (crc32(value.subarray(at, reader.at)) !== crc) throw new FormatError('checksum of an entry differs');", ''],
    MANY_SEEDS,
  ),
  mutation('snapshot flips before its chunks', 'storage/snapshot-store.ts', [
    '    await writer.flush();\n    const saved',
    '    const saved',
  ]),
  mutation(
    'an old copy of the store is not noticed',
    'storage/recover.ts',
    [' || witness.batch > hardRecord.batch),', '),'],
    MANY_SEEDS,
  ),
  mutation(
    'vouches for a write that failed',
    'storage/level-storage.ts',
    ['batch: this.#durableBatch });', 'batch: this.#batch });'],
    MANY_SEEDS,
  ),
  // Rolling upgrades.
  mutation('newer commands are not held back', 'state/apply.ts', [
    'return heldBack({ state, index }, decoded.command.type) ?? applyCommand(state, decoded.command, changes);',
    'return applyCommand(state, decoded.command, changes);',
  ]),
  mutation('feature level is raised while a member lacks it', 'state/features.ts', [
    'if (rows.length === 0 || behind.length > 0) {',
    'if (rows.length === 0) {',
  ]),
  mutation(
    'an older release is taken in after the level was raised',
    'state/members.ts',
    ['if (featureLevel < level) {', 'if (featureLevel < 0) {'],
    MANY_SEEDS,
  ),
  // Proposals.
  mutation('retries what may have been done', 'driver/proposals.ts', [
    "if (pending.state === 'sent' && pending.term < entry.term) this.#rest(pending, nowMs);",
    "if (pending.state === 'sent' && pending.term <= entry.term + 1) this.#rest(pending, nowMs);",
  ]),
  mutation('stamps with fractions', 'core/log-time.ts', [
    'Math.floor(s.nowMs + s.logLeadMs)',
    '(s.nowMs + s.logLeadMs)',
  ]),
];
