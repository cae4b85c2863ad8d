/**
 * Faults that wait for their moment: they watch what replicas say and become, and cut paths just when it hurts. Chance alone
 * would need very many seeds for the few schedules on which some rules of Raft rest.
 */
import type { Cluster, Sighting } from '../cluster/cluster.ts';
import { callRaft } from './context.ts';
import type { Effect, FaultContext } from './context.ts';

/** A stage that has not come to its end by then never will. */
const STAGE_MAX_MS = 3000;
const TRANSFER_MAX_MS = 1500;

function silence(cluster: Cluster, from: string): void {
  for (const to of cluster.replicas) if (to !== from) cluster.network.block(from, to);
}

/** Everything heals but the paths of this one. */
function isolateOnly(cluster: Cluster, alone: string): void {
  cluster.network.heal();
  silence(cluster, alone);
  for (const from of cluster.replicas) if (from !== alone) cluster.network.block(from, alone);
}

type Stage = 'succession' | 'cut off' | 'return' | 'spread' | 'overtaking' | 'over';

/**
 * Figure 8 of the paper, whose moral is that a leader commits nothing of former terms by counting copies (§5.4.2):
 * the first leader goes on alone with a tail of its own; its successor is elected and cut off before anybody gets its first
 * entry; the first one is elected again and cut off as soon as a majority has some of its old tail, and nothing of its new
 * term; then the successor, whose entry is of a later term than that tail, takes office again and overwrites it.
 */
class FigureEight {
  readonly #cluster: Cluster;
  readonly #first: string;
  readonly #pauseMs: number;
  readonly #tailFrom: number;
  readonly #unwatch: () => void;
  #stage: Stage = 'succession';
  #successor: string | null = null;
  #returnTerm = 0;
  readonly #holders = new Set<string>();

  constructor(cluster: Cluster, first: string, pauseMs: number) {
    this.#cluster = cluster;
    this.#first = first;
    this.#pauseMs = pauseMs;
    this.#tailFrom = cluster.checks.image(first).lastIndex + 1;
    this.#unwatch = cluster.watch((sighting) => this.#see(sighting));
    isolateOnly(cluster, first);
    this.#enter('succession');
  }

  #enter(stage: Stage): void {
    this.#stage = stage;
    const { world, trace } = this.#cluster;
    trace.line('fault', 'figure-8', stage);
    if (stage === 'over') return;
    world.after(STAGE_MAX_MS, () => {
      if (this.#stage === stage) this.#end();
    });
  }

  #end(): void {
    if (this.#stage === 'over') return;
    this.#unwatch();
    this.#cluster.network.heal();
    this.#enter('over');
  }

  #see(sighting: Sighting): void {
    if (this.#cluster.healing) this.#end();
    else if (sighting.type === 'role') this.#seeRole(sighting.replica, sighting.role, sighting.term);
    else this.#seeMessage(sighting);
  }

  #seeMessage({ from, message }: Extract<Sighting, { type: 'sent' }>): void {
    const { world } = this.#cluster;
    if (this.#stage === 'succession' && message.type === 'vote' && !message.pre && from !== this.#first) {
      this.#successor = from;
      this.#enter('cut off');
      // Its questions are on their way; what it will say as leader is not.
      world.after(0, () => silence(this.#cluster, from));
    }
    if (this.#stage !== 'spread' || message.type !== 'append-response') return;
    if (message.rejected || message.term !== this.#returnTerm || message.index < this.#tailFrom) return;
    this.#holders.add(from);
    const { voters } = this.#cluster.checks.committed.newestConf;
    if (this.#holders.size < Math.floor(voters.length / 2)) return;
    // It still hears the acknowledgements, and nobody hears it.
    silence(this.#cluster, this.#first);
    this.#enter('overtaking');
    world.after(this.#pauseMs, () => {
      if (this.#stage === 'overtaking') isolateOnly(this.#cluster, this.#first);
    });
  }

  #seeRole(replica: string, role: string, term: number): void {
    if (role !== 'leader') return;
    if (this.#stage === 'cut off') {
      if (replica === this.#successor) this.#leaveAlone(replica, term);
      else this.#end();
    } else if (this.#stage === 'return') {
      if (replica !== this.#first) return this.#end();
      this.#returnTerm = term;
      this.#enter('spread');
    } else if (this.#stage === 'overtaking' && replica === this.#successor) {
      this.#cluster.coverage.add('figure 8 played');
      this.#end();
    }
  }

  /** Once the successor's first entry is on its disk, the first leader gets its majority back without it. */
  #leaveAlone(successor: string, term: number): void {
    const { checks, world } = this.#cluster;
    if (this.#stage !== 'cut off') return;
    const image = checks.image(successor);
    if (image.entry(image.lastIndex)?.term !== term) {
      world.after(1, () => this.#leaveAlone(successor, term));
      return;
    }
    isolateOnly(this.#cluster, successor);
    this.#enter('return');
  }
}

/** A candidate's term is on its disk, and for a while nobody hears of it: it comes back ahead of a leader in good health. */
function lostCandidacy({ cluster, dice, durationMs }: FaultContext): boolean {
  const leader = cluster.leader();
  const { voters } = cluster.checks.committed.newestConf;
  const others = cluster
    .running()
    .filter(({ replica }) => voters.includes(replica) && replica !== leader?.node.replica);
  if (leader === null || others.length === 0) return false;
  const { replica } = dice.pick(others);
  const unwatch = cluster.watch((sighting) => {
    if (sighting.type !== 'sent' || sighting.from !== replica || sighting.message.type !== 'vote') return;
    if (sighting.message.pre) return;
    unwatch();
    silence(cluster, replica);
    cluster.coverage.add('candidacy lost');
    cluster.world.after(Math.min(durationMs, 500), () => cluster.network.heal());
  });
  cluster.world.after(TRANSFER_MAX_MS, unwatch);
  callRaft(cluster, leader.node, (raft) => raft.transferLeadership(replica, { timeoutMs: TRANSFER_MAX_MS }));
  return true;
}

export const ambushes = {
  'figure-8'({ cluster, dice }) {
    const leader = cluster.leader()?.node ?? null;
    if (leader === null || cluster.watched || cluster.checks.committed.newestConf.voters.length < 3) return false;
    new FigureEight(cluster, leader.replica, dice.between(50, 300));
    // More than one append holds, where appends are small.
    cluster.clients.burst(leader, 4 + dice.integer(12), dice.pick([300, 3000]));
    return true;
  },
  'lost-candidacy': (context) => !context.cluster.watched && lostCandidacy(context),
} satisfies Record<string, Effect>;
