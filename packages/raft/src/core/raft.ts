/**
 * The core: `createCore(options)` gives `step(event) -> effects` and `status()`. The only file that owns control flow:
 * first the rule of terms, then one switch over what happened, then what follows from any step.
 */
import { handOver, handleApplied } from './applying.ts';
import { assert, InvariantError } from './assert.ts';
import { noteReport } from './digests.ts';
import { handlePersisted, takeWrite } from './durability.ts';
import type { Effect } from './effects.ts';
import {
  campaign,
  checkQuorum,
  forgetLeader,
  handleElectionTimeout,
  handleVoteRequest,
  handleVoteResponse,
  inLease,
  isPromotable,
  learnCommit,
  repeatVoteRequest,
} from './election.ts';
import type { Event } from './events.ts';
import { handleAppend, handleHeartbeat } from './following.ts';
import { checkDeep, checkState, checkTransition, remember } from './invariants.ts';
import { retireIfDue } from './membership.ts';
import type { Message } from './messages.ts';
import { send } from './outbox.ts';
import type { CoreOptions, CoreStatus, RaftCore } from './port.ts';
import { handleForward, handleForwardConf, handleForwardResponse, propose, proposeConf } from './proposals.ts';
import {
  broadcastHeartbeat,
  expireForwardedReads,
  handleReadIndex,
  handleReadIndexResponse,
  needsRound,
  releaseReads,
  requestRead,
} from './reads.ts';
import { broadcastCommit, handleAppendResponse, handleHeartbeatResponse, sendAppend } from './replication.ts';
import { becomeFollower, resetElectionDeadline } from './roles.ts';
import { handleSnapshotSaved, handleSnapshotSent, installSnapshot } from './snapshotting.ts';
import { createState, type RaftState } from './state.ts';
import { describeStatus } from './status.ts';
import { expireTransfer, finishTransfer, leaveStalledDisk, startTransfer } from './transfer.ts';
import type { ReplicaId, Role, Term } from './types.ts';

export { decodeConfEntry, type ConfEntry } from './conf-change.ts';
export type { CoreOptions, CoreStatus, PeerStatus, RaftCore } from './port.ts';

/** Throws where the options contradict themselves or what was recovered does not hang together. */
export function createCore(options: CoreOptions): RaftCore {
  return new Core(options);
}

class Core implements RaftCore {
  readonly #state: RaftState;
  readonly #deepChecks: boolean;
  #started = false;
  #halted = false;
  /** As told by the last `role` effect. */
  #told: { role: Role; term: Term; leader: ReplicaId | null } | null = null;
  #wakeAtMs = Infinity;

  constructor(options: CoreOptions) {
    this.#state = createState(options);
    this.#deepChecks = options.deepChecks ?? false;
  }

  status(nowMs?: number): CoreStatus {
    return describeStatus(this.#state, nowMs ?? this.#state.nowMs, this.#halted);
  }

  step(event: Event): readonly Effect[] {
    if (this.#halted) return [];
    const s = this.#state;
    const before = remember(s);
    s.effects = [];
    try {
      readClocks(s, event);
      // The host has used up its wake-up; should it have come early, it gets another.
      if (event.type === 'time') this.#wakeAtMs = Infinity;
      if (!this.#started) this.#start(s);
      handle(s, event);
      this.#finish(s);
      checkTransition(before, s);
      if (this.#deepChecks) checkDeep(s);
      else checkState(s);
    } catch (error) {
      this.#halted = true;
      const what = error instanceof InvariantError ? 'invariant' : 'fault';
      return [
        { type: 'halt', reason: `${what} in ${event.type}: ${error instanceof Error ? error.message : 'unknown'}` },
      ];
    }
    return s.effects;
  }

  /** What the host must know before anything happens. */
  #start(s: RaftState): void {
    this.#started = true;
    s.effects.push({ type: 'conf', index: s.applying, conf: s.conf });
    handOver(s);
    resetElectionDeadline(s);
    // Alone there is nobody to wait for.
    if (isPromotable(s) && s.conf.voters.length === 1 && s.conf.votersOutgoing.length === 0) {
      s.electionDeadlineMs = s.nowMs;
    }
  }

  /** What follows from any step, in this order: applies, reads, the one write, the role, the next wake-up. */
  #finish(s: RaftState): void {
    handOver(s);
    if (s.leading !== null) {
      finishTransfer(s, s.leading);
      retireIfDue(s, s.leading);
    }
    if (s.leading !== null) {
      releaseReads(s, s.leading);
      if (needsRound(s, s.leading)) {
        broadcastHeartbeat(s, s.leading);
        releaseReads(s, s.leading);
      }
    }
    const write = takeWrite(s);
    // First of all, so that the disk works while we talk; what needs it waits inside.
    if (write !== null) s.effects.unshift(write);
    this.#tellRole(s);
    this.#tellWake(s);
  }

  #tellRole(s: RaftState): void {
    const { role, term, leader } = s;
    const told = this.#told;
    if (told !== null && told.role === role && told.term === term && told.leader === leader) return;
    this.#told = { role, term, leader };
    s.effects.push({ type: 'role', role, term, leader });
  }

  /** Deadlines mostly move away; an early wake-up costs less than telling each move. */
  #tellWake(s: RaftState): void {
    const atMs = nextDeadlineMs(s);
    if (atMs === Infinity || (atMs >= this.#wakeAtMs && this.#wakeAtMs > s.nowMs)) return;
    this.#wakeAtMs = atMs;
    s.effects.push({ type: 'wake-at', atMs });
  }
}

function readClocks(s: RaftState, event: Event): void {
  s.nowMs = Math.max(s.nowMs, event.nowMs);
  if (!('wallMs' in event)) return;
  s.wallMs = event.wallMs;
  s.wallAtMs = s.nowMs;
}

function nextDeadlineMs(s: RaftState): number {
  let atMs = Math.min(s.electionDeadlineMs, s.commitFlushMs);
  if (s.leading !== null) atMs = Math.min(atMs, s.leading.heartbeatDueMs, s.leading.commitDueMs);
  if (s.leading !== null) atMs = Math.min(atMs, s.leading.transfer?.deadlineMs ?? Infinity);
  for (const deadlineMs of s.forwardedReads.values()) return Math.min(atMs, deadlineMs);
  return atMs;
}

function handle(s: RaftState, event: Event): void {
  switch (event.type) {
    case 'time':
      return handleTime(s);
    case 'stall':
      return handleStall(s, event.gapMs);
    case 'receive':
      return receive(s, event.from, event.message);
    case 'propose':
      return propose(s, event.proposals);
    case 'propose-conf':
      return proposeConf(s, event.seq, event.change);
    case 'read-index':
      return requestRead(s, event.seq);
    case 'persisted':
      return handlePersisted(s, event.io);
    case 'applied':
      return handleApplied(s, event.index, event.digest);
    case 'snapshot-saved':
      return handleSnapshotSaved(s, event.meta, event.compactTo);
    case 'snapshot-received':
      if (hearLeader(s, event.from, event.term)) installSnapshot(s, event.from, event.meta);
      return;
    case 'snapshot-sent':
      if (s.leading !== null) handleSnapshotSent(s.leading, event.to, event.index, event.ok);
      return;
    case 'link-down':
      return handleLinkDown(s, event.peer, event.reset);
    case 'link-up':
      return handleLinkUp(s, event.peer);
    case 'transfer':
      if (s.leading !== null) startTransfer(s, s.leading, event.to);
      return;
    case 'disk':
      return handleDisk(s, event.stalled, event.full);
  }
}

function handleTime(s: RaftState): void {
  expireForwardedReads(s);
  if (s.leading === null) {
    if (s.nowMs >= s.electionDeadlineMs) handleElectionTimeout(s);
    return;
  }
  if (s.nowMs >= s.leading.commitDueMs) broadcastCommit(s, s.leading);
  expireTransfer(s, s.leading);
  leaveStalledDisk(s, s.leading);
  if (s.leading === null || s.nowMs < s.leading.heartbeatDueMs) return;
  if (checkQuorum(s, s.leading)) broadcastHeartbeat(s, s.leading);
}

/** We were absent: silence proves nothing about others, but something about ourselves. */
function handleStall(s: RaftState, gapMs: number): void {
  if (s.leading === null) {
    resetElectionDeadline(s);
    return;
  }
  s.leading.quorumGraceMs = s.nowMs + s.config.electionMinMs;
  // Long enough for another to be elected: make sure of our office before we take more.
  if (gapMs >= s.config.electionMinMs) {
    s.readSeq += 1;
    s.leading.confirmSeq = s.readSeq;
  }
  broadcastHeartbeat(s, s.leading);
}

function handleLinkDown(s: RaftState, peer: ReplicaId, reset: boolean): void {
  s.down.add(peer);
  const progress = s.leading?.progress.get(peer);
  // Whatever was under way is lost. Its answer to a heartbeat, or the link's return, starts it again.
  if (progress !== undefined) {
    progress.pendingSnapshot = 0;
    // A probe keeps its place: begun anew behind `match`, which a new leader does not know yet, it would ask for a snapshot.
    if (progress.state !== 'probe') progress.becomeProbe();
  }
  if (reset && s.leader === peer) forgetLeader(s);
}

function handleLinkUp(s: RaftState, peer: ReplicaId): void {
  s.down.delete(peer);
  repeatVoteRequest(s, peer);
  const progress = s.leading?.progress.get(peer);
  if (progress === undefined) return;
  progress.paused = false;
  sendAppend(s, peer, progress, 'probe');
}

/** A disk that does not answer makes a leader useless, however alive its heartbeats look (etcd#13527). */
function handleDisk(s: RaftState, stalled: boolean, full: boolean): void {
  s.diskStalled = stalled;
  s.diskFull = full;
  if (!stalled || s.leading === null) return;
  startTransfer(s, s.leading, null);
  leaveStalledDisk(s, s.leading);
}

/** §5.1: a later term is adopted, an earlier one is told. */
function receive(s: RaftState, from: ReplicaId, message: Message): void {
  if (from === s.self || !Number.isSafeInteger(message.term) || message.term < 1) return;
  if (message.term > s.term && !meetLaterTerm(s, from, message)) return;
  if (message.term < s.term && !meetEarlierTerm(s, from, message)) return;
  const progress = s.leading?.progress.get(from);
  if (progress !== undefined && message.term === s.term) progress.lastContactMs = s.nowMs;
  dispatch(s, from, message);
}

/** False where the message is to be ignored. */
function meetLaterTerm(s: RaftState, from: ReplicaId, message: Message): boolean {
  if (message.type === 'vote') {
    if (!message.transfer && inLease(s)) return false;
    // Asking beforehand commits nobody to the later term.
    if (message.pre) return true;
    if (!s.mayVote) return false;
  }
  // Our own question, for a term that we have not entered yet.
  if (message.type === 'vote-response' && message.pre && message.granted) return true;
  const isLeader = message.type === 'append' || message.type === 'heartbeat';
  becomeFollower(s, message.term, isLeader ? from : null);
  return true;
}

function meetEarlierTerm(s: RaftState, from: ReplicaId, message: Message): boolean {
  switch (message.type) {
    case 'append':
    case 'heartbeat':
      // A leader that we outran by a lost candidacy would never hear of it otherwise (etcd#8501).
      send(s, from, {
        type: 'append-response',
        term: s.term,
        rejected: true,
        index: 0,
        hintIndex: 0,
        hintTerm: 0,
        digestIndex: 0,
        digest: '',
      });
      return false;
    case 'vote':
      learnCommit(s, message);
      if (message.pre && s.mayVote) send(s, from, { type: 'vote-response', term: s.term, pre: true, granted: false });
      return false;
    case 'forward':
    case 'forward-conf':
    case 'forward-response':
    case 'read-index':
    case 'read-index-response':
      // Requests and answers between replicas: their worth does not hang on the term.
      return true;
    case 'vote-response':
    case 'append-response':
    case 'heartbeat-response':
    case 'timeout-now':
      return false;
  }
}

/** The sender leads `term`. False where that is over. */
function hearLeader(s: RaftState, from: ReplicaId, term: Term): boolean {
  if (term < s.term) return false;
  assert(term > s.term || s.leading === null, 'one leader per term');
  assert(term > s.term || s.leader === null || s.leader === from, 'one leader per term');
  if (term > s.term || s.role !== 'follower' || s.leader !== from) becomeFollower(s, term, from);
  s.leaderContactMs = s.nowMs;
  resetElectionDeadline(s);
  return true;
}

function dispatch(s: RaftState, from: ReplicaId, message: Message): void {
  switch (message.type) {
    case 'vote':
      return handleVoteRequest(s, from, message);
    case 'vote-response':
      return handleVoteResponse(s, from, message);
    case 'append':
      if (hearLeader(s, from, message.term)) handleAppend(s, from, message);
      return;
    case 'heartbeat':
      if (hearLeader(s, from, message.term)) handleHeartbeat(s, from, message);
      return;
    case 'append-response':
      if (s.leading === null) return;
      noteReport(s, s.leading, from, message);
      return handleAppendResponse(s, s.leading, from, message);
    case 'heartbeat-response':
      if (s.leading !== null) handleHeartbeatResponse(s, s.leading, from, message);
      return;
    case 'timeout-now':
      // No pre-vote: the leader itself wants it.
      if (s.leading === null && isPromotable(s)) campaign(s, { pre: false, transfer: true });
      return;
    case 'forward':
      return handleForward(s, from, message);
    case 'forward-response':
      return handleForwardResponse(s, message);
    case 'forward-conf':
      return handleForwardConf(s, from, message);
    case 'read-index':
      return handleReadIndex(s, from, message);
    case 'read-index-response':
      return handleReadIndexResponse(s, message);
  }
}
