/**
 * The vocabulary of scenario scripts. Nothing happens by itself: messages wait until delivered, writes until finished,
 * time stands still until someone's timer is called. Each command returns the trace of what it set off.
 *
 *   replica ID voters=a,b [learners=c] [terms=1,1,2] [term=2] [vote=a] [commit=1] [novote]   a replica with that log
 *   settings name=value …                       configuration of replicas added afterwards
 *   timeout ID                                  its timer fires: election, or a leader's heartbeat
 *   deliver [FROM->TO] [type], drop …, repeat … messages under way, all that match, once (repeat: and keep them)
 *   write [ID] [count]                          finish the oldest write of one replica, or of all
 *   settle [without ID …]                       deliver and write until nothing is under way; what concerns ID is dropped
 *   propose ID count, read ID, transfer ID [TO], conf ID op ID, op ID …
 *   snapshot ID trailing, crash ID [done], restart ID, stall ID ms, disk ID [stalled] [full], pass ms
 *   link ID PEER down|reset|up, digest ID INDEX TEXT, status [ID], progress ID, log ID
 * `quietly` before a command suppresses its trace.
 */
import type { CoreConfig } from '../core/config.ts';
import { describeConf, describeEffect, describeEntry, describeEvent } from '../core/describe.ts';
import type { Effect } from '../core/effects.ts';
import type { Event } from '../core/events.ts';
import type { ConfChange, ConfState, ConfStep, Entry, ReplicaId } from '../core/types.ts';
import { CoreCluster, type Parcel } from './core-cluster.ts';

const NO_BYTES = new Uint8Array(0);

type Verb = (args: readonly string[]) => void;

function listOf(text: string | undefined): string[] {
  return text === undefined || text === '' ? [] : text.split(',');
}

function need(text: string | undefined): string {
  if (text === undefined) throw new Error('an argument is missing');
  return text;
}

/** `name=value` arguments; a bare word is a flag. */
function options(args: readonly string[]): Map<string, string> {
  return new Map(args.map((arg) => [arg.split('=')[0] ?? '', arg.split('=')[1] ?? '']));
}

export class ScriptCommands {
  #config: Partial<CoreConfig> = {};
  #made: CoreCluster | null = null;
  #seq = 0;
  #trace: string[] = [];
  readonly #verbs: Readonly<Record<string, Verb>> = {
    settings: (args) => this.#settings(args),
    replica: (args) => this.#replica(args),
    timeout: ([id]) => this.#timeout(need(id)),
    deliver: (args) => this.#parcels(args, (parcel) => this.#cluster.deliver(parcel)),
    drop: (args) => this.#parcels(args, (parcel) => this.#drop(parcel)),
    repeat: (args) => this.#repeat(args),
    write: ([id, count]) => this.#write(id, Number(count ?? 1)),
    settle: ([, ...without]) => this.#settle(without),
    propose: ([id, count]) => this.#propose(need(id), Number(count ?? 1)),
    read: ([id]) => this.#read(need(id)),
    conf: ([id, ...rest]) => this.#conf(need(id), rest.join(' ')),
    transfer: ([id, to]) => this.#at(need(id), { type: 'transfer', to: to ?? null, ...this.#clocks() }),
    snapshot: ([id, trailing]) => this.#cluster.snapshot(need(id), Number(trailing)),
    crash: ([id, done]) => this.#cluster.crash(need(id), Number(done ?? 0)),
    restart: ([id]) => this.#cluster.restart(need(id), { seed: this.#seed(need(id)) }),
    stall: ([id, gap]) => this.#at(need(id), { type: 'stall', gapMs: Number(gap), nowMs: this.#clocks().nowMs }),
    disk: ([id, ...flags]) => this.#disk(need(id), flags),
    pass: ([ms]) => this.#pass(Number(ms)),
    link: ([id, peer, what]) => this.#link(need(id), need(peer), what),
    digest: ([id, index, digest]) => this.#digest(need(id), Number(index), need(digest)),
    status: ([id]) => this.#status(id),
    progress: ([id]) => this.#progress(need(id)),
    log: ([id]) => this.#log(need(id)),
  };

  run(command: string): readonly string[] {
    const words = command.split(/\s+/);
    const quietly = words[0] === 'quietly';
    if (quietly) words.shift();
    const [verb, ...args] = words;
    const act = this.#verbs[verb ?? ''];
    if (act === undefined) throw new Error(`unknown command: ${command}`);
    this.#trace = [];
    act(args);
    return quietly ? [] : this.#trace;
  }

  get #cluster(): CoreCluster {
    if (this.#made !== null) return this.#made;
    this.#made = new CoreCluster(this.#config);
    this.#made.onStep = (id, event, effects) => this.#record(id, event, effects);
    return this.#made;
  }

  /** Wake-ups are left out: their times are random and say nothing. */
  #record(id: ReplicaId, event: Event, effects: readonly Effect[]): void {
    const lines = effects.filter(({ type }) => type !== 'wake-at').flatMap(describeEffect);
    if (lines.length === 0 && (event.type === 'applied' || event.type === 'time')) return;
    this.#trace.push(`${id} < ${describeEvent(event).replace(/^time .*/, 'time')}`);
    for (const line of lines) this.#trace.push(`    ${line}`);
  }

  #clocks(): { readonly nowMs: number; readonly wallMs: number } {
    return { nowMs: this.#cluster.nowMs, wallMs: this.#cluster.nowMs };
  }

  #at(id: ReplicaId, event: Event): void {
    this.#cluster.step(id, event);
  }

  /** By name: a script gives the same trace whatever ran before it. */
  #seed(id: ReplicaId): number {
    let seed = 7;
    for (let at = 0; at < id.length; at += 1) seed = seed * 31 + id.charCodeAt(at);
    return seed;
  }

  #settings(args: readonly string[]): void {
    this.#config = Object.fromEntries([...options(args)].map(([name, value]) => [name, Number(value)]));
  }

  #replica([id, ...rest]: readonly string[]): void {
    const given = options(rest);
    const voters = listOf(given.get('voters'));
    const learners = listOf(given.get('learners'));
    const conf: ConfState = { voters, learners, votersOutgoing: [], learnersNext: [], autoLeave: false };
    const terms = listOf(given.get('terms')).map(Number);
    const entries = terms.map((term, at): Entry => {
      return { index: at + 1, term, kind: 0, stampMs: 0, origin: 'old', seq: at + 1, data: NO_BYTES };
    });
    const hard = {
      term: Number(given.get('term') ?? terms.at(-1) ?? 0),
      vote: given.get('vote') ?? null,
      commit: Number(given.get('commit') ?? 0),
    };
    const name = need(id);
    const recovered = { hard, snapshot: null, entries, firstIndex: 1, conf };
    this.#cluster.add(name, { recovered, seed: this.#seed(name), mayVote: !given.has('novote') });
  }

  /** Lets time pass for everyone up to this replica's next deadline, but only its own timer fires. */
  #timeout(id: ReplicaId): void {
    const replica = this.#cluster.get(id);
    const before = this.#trace.length;
    // A first wake-up may come early and only set the next.
    for (let tries = 0; tries < 3 && this.#trace.length === before; tries += 1) {
      this.#cluster.nowMs = Math.max(this.#cluster.nowMs, replica.wakeAtMs);
      this.#cluster.step(id, this.#cluster.time());
    }
  }

  #match(args: readonly string[]): (parcel: Parcel) => boolean {
    const way = args.find((arg) => arg.includes('->'));
    const type = args.find((arg) => !arg.includes('->'));
    return ({ from, to, content }) => {
      const [wantedFrom, wantedTo] = way?.split('->') ?? ['', ''];
      const fits = (wantedFrom === '' || wantedFrom === from) && (wantedTo === '' || wantedTo === to);
      return fits && (type === undefined || content.type === type);
    };
  }

  #parcels(args: readonly string[], act: (parcel: Parcel) => void): void {
    const match = this.#match(args);
    const due = this.#cluster.parcels.filter(match);
    this.#cluster.parcels = this.#cluster.parcels.filter((parcel) => !match(parcel));
    for (const parcel of due) act(parcel);
    if (due.length === 0) this.#trace.push('nothing to deliver');
  }

  #drop(parcel: Parcel): void {
    this.#trace.push(`lost: ${parcel.from}->${parcel.to} ${parcel.content.type}`);
    this.#cluster.lose(parcel);
  }

  #repeat(args: readonly string[]): void {
    for (const parcel of this.#cluster.parcels.filter(this.#match(args))) this.#cluster.deliver(parcel);
  }

  #write(id: ReplicaId | undefined, count: number): void {
    const ids = id === undefined ? [...this.#cluster.replicas.keys()] : [id];
    for (const each of ids) for (let left = count; left > 0; left -= 1) this.#cluster.write(each);
  }

  #settle(without: readonly ReplicaId[]): void {
    const concerned = ({ from, to }: Parcel): boolean => without.includes(from) || without.includes(to);
    this.#cluster.settle((parcel) => !concerned(parcel));
    this.#cluster.parcels = [];
  }

  #propose(id: ReplicaId, count: number): void {
    const proposals = Array.from({ length: count }, () => ({ seq: (this.#seq += 1), data: NO_BYTES }));
    this.#at(id, { type: 'propose', proposals, ...this.#clocks() });
  }

  #read(id: ReplicaId): void {
    this.#seq += 1;
    this.#cluster.checks.readAsked(this.#cluster.get(id), this.#seq);
    this.#at(id, { type: 'read-index', seq: this.#seq, nowMs: this.#cluster.nowMs });
  }

  #conf(id: ReplicaId, text: string): void {
    const steps = listOf(text.replaceAll(', ', ',')).map((step): ConfStep => {
      const [op, who] = step.split(' ');
      if (op !== 'add-voter' && op !== 'add-learner' && op !== 'remove') throw new Error(`no such change: ${step}`);
      return { op, id: need(who) };
    });
    const change: ConfChange = { steps, context: NO_BYTES };
    this.#at(id, { type: 'propose-conf', seq: (this.#seq += 1), change, ...this.#clocks() });
  }

  #disk(id: ReplicaId, flags: readonly string[]): void {
    const { nowMs } = this.#cluster;
    this.#at(id, { type: 'disk', nowMs, stalled: flags.includes('stalled'), full: flags.includes('full') });
  }

  #pass(ms: number): void {
    this.#cluster.nowMs += ms;
  }

  #link(id: ReplicaId, peer: ReplicaId, what: string | undefined): void {
    const { nowMs } = this.#cluster;
    if (what === 'up') this.#at(id, { type: 'link-up', nowMs, peer });
    else this.#at(id, { type: 'link-down', nowMs, peer, reset: what === 'reset' });
  }

  #digest(id: ReplicaId, index: number, digest: string): void {
    this.#at(id, { type: 'applied', index, digest, ...this.#clocks() });
  }

  #status(only: ReplicaId | undefined): void {
    for (const [id, { core, up }] of this.#cluster.replicas) {
      if (only !== undefined && only !== id) continue;
      const { role, term, vote, leader, commit, durableIndex, firstIndex, lastIndex, conf } = core.status();
      const office = up ? `${role} term=${term} vote=${vote ?? '-'} leader=${leader ?? '-'}` : 'down';
      const log = `commit=${commit} durable=${durableIndex} log=${firstIndex}..${lastIndex}`;
      this.#trace.push(`${id}: ${office} ${log} ${describeConf(conf)}`);
    }
  }

  #progress(id: ReplicaId): void {
    for (const peer of this.#cluster.get(id).core.status().peers) {
      const { state, match, next, inflightMessages, voter } = peer;
      const kind = voter ? '' : ' learner';
      this.#trace.push(`${peer.id}: ${state} match=${match} next=${next} inflight=${inflightMessages}${kind}`);
    }
  }

  /** As planned: what is on disk and what will be. */
  #log(id: ReplicaId): void {
    const { snapshot, entries } = this.#cluster.get(id).planned.state;
    if (snapshot !== null) this.#trace.push(`snapshot ${snapshot.index}@${snapshot.term}`);
    this.#trace.push(entries.map(describeEntry).join(', '));
  }
}
