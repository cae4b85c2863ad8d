/**
 * Every bound of the control thread, with its unit in its name.
 */

/** A proposal or a linearizable read that has no answer by then is refused or declared of unknown outcome. */
export const proposalTimeoutMs = 4_000;
/** On top of it for each MiB of a command: all nodes read, check and store it before there is an answer. */
export const proposalTimeoutPerMibMs = 2_000;
/** A body of this size is worked on in turns, between which heartbeats leave. */
export const largeBodyBytes = 262_144;
/** The longest `timeoutMs` that a caller may ask for. */
export const waitMaxMs = 60_000;
export const waitDefaultMs = 10_000;
/** Before a node that could not be asked whether it serves a revision is asked again. */
export const servedRetryMs = 50;
/** Beyond what the asked node may take itself. */
export const servedSlackMs = 1_000;
/** Listeners named in that question; more are all of them. */
export const servedListenersMax = 50;
/** A node that does not say in time whether it could open a port is not waited for: it tells when it follows. */
export const portCheckTimeoutMs = 1_500;
export const portsCheckedMax = 256;
export const peerPollMs = 1_000;
export const peerPollTimeoutMs = 1_000;

export const bodyLimitBytes = 16 * 1024 * 1024;
export const bodyDepthMax = 32;
/** A request is to have arrived by then. */
export const apiRequestTimeoutMs = 60_000;
/** Further ones are closed at once: whoever opens and says nothing must not use up the descriptors of the node. */
export const apiConnectionsMax = 4_096;
/** What clients are told that a connection may rest between two requests. */
export const apiKeepAliveMs = 72_000;
/** A connection on which nothing moved for so long is closed: more than clients are told, and than they may wait for an answer. */
export const apiIdleMs = apiKeepAliveMs + 1_000;
export const urlParameterMaxBytes = 300;

/** A certificate that ends soon is logged this often. */
export const expiryWarnEveryMs = 24 * 3_600_000;

/** Wrong tokens from one address within the window before it gets 429. */
export const loginFailuresMax = 20;
export const loginWindowMs = 60_000;
/** Addresses remembered for that; the oldest are forgotten first. */
export const loginAddressesMax = 10_000;

export const idempotencyKeyMaxBytes = 200;

/** Probes of this node that run at the same time; the rest wait their turn. */
export const probesConcurrentMax = 256;
export const probeJitterRatio = 0.1;
export const probeBodyMaxBytes = 65_536;
export const probeDetailMaxBytes = 120;
/** An opinion that changes after a quiet while is proposed after this long: others of the same moment go with it. */
export const observeSoonMs = 2;
/** Further ones are proposed together after this long. */
export const observeBatchMs = 25;
export const observeBatchMax = 500;
export const observeRetryMs = 1_000;

/** Weights, states and verdicts reach the proxy threads within this time after a quiet moment, at once where a caller waits for them. */
export const publishDelayMs = 2;
/** Where they keep coming they are published so often: each time wakes every proxy thread. */
export const publishEveryMs = 8;
/** How long a scrape waits for the counters of the proxy threads. */
export const collectTimeoutMs = 250;
/** No quorum for this long: local probe results override the stale verdicts. */
export const overlayAfterMs = 2_000;
/** The leader takes a member for dead after this long without a sign of life. */
export const livenessTimeoutMs = 3_000;
/** The same where its connection is broken, too. */
export const livenessUnlinkedMs = 1_000;
export const livenessCheckMs = 500;

export const watchClientsMax = 256;
/** Events kept for watchers that come back. */
export const watchBufferCount = 4_096;
export const watchHeartbeatMs = 15_000;

/** The longest wait between readiness down and closing connections. */
export const drainPropagationMaxMs = 600_000;
/** Parsing YAML is slow and holds the loop: larger documents are to be sent as JSON. */
export const yamlLimitBytes = 1024 * 1024;
/** A node that has nothing new to say of its probes says so this often; the state forgets observers after 15 s. */
export const observeHeartbeatMs = 4_000;
/** Replicated time goes on at least this often. */
export const leaderTickMs = 1_000;
export const affinityKeyBytes = 32;
/** Pins that arrive within this time are committed together; the proxy threads wait as long before. */
export const pinBatchMs = 4;
/** Applied in one go: few enough that code which is not optimised yet holds the loop for no more than some ten milliseconds. */
export const pinBatchMax = 1_024;
/** Commands with pins that are under way at the same time. */
export const pinCommandsMax = 8;
/** Pins that wait; beyond it only those are taken that are needed, up to twice as many. */
export const pinQueueMax = 32_768;
/** Without a leader, and after a command with pins failed. */
export const pinRetryMs = 100;
/** A command with pins that takes longer means that the log does not keep up. */
export const pinLagMaxMs = 500;
/** Parts of the pin table that one request clears at the same time. */
export const sessionClearsConcurrent = 16;
/** What this version speaks; raised with each feature that older nodes do not know, see state/features.ts. */
export const featureLevel = 3;
/** Random part of a replica id. */
export const incarnationBytes = 8;
/** Entries that a learner may lack when it gets its vote: what arrives while the change is made. */
export const promotionLagMax = 512;
/** A learner that was silent for so long gets no vote yet. */
export const promotionSilenceMs = 1_000;
export const nodeDutiesMs = 500;
/** Reasons for not being ready that are told to the others. */
export const reasonsMaxCount = 10;
/** The same backend is proposed for ejection at most this often by one node. */
export const outlierRepeatMs = 1_000;
export const shareWindowMs = 60_000;
export const shareSampleMs = 10_000;
/** Proxy threads are there by then, and have hardly any traffic yet. */
export const shareFirstSampleMs = 250;
/** For requests under way when the node stops. */
export const apiCloseMs = 1_000;
export const joinRetryMs = 1_000;
/** Before a membership change is asked for again that came upon another one. */
export const confPendingRetryMs = 20;
/** One request to another node's API. */
export const nodeCallTimeoutMs = 6_000;
export const transferTimeoutMs = 3_000;
/** Largest command that the log takes. */
export const commandMaxBytes = 12 * 1024 * 1024;
/**
 * Digests are compared at every multiple of this index, and twice a second of log time, which is enough: a row that is gone by then
 * is never hashed, and of a busy cluster's history most rows are.
 */
export const digestEveryCount = 16_384;
/** The newest half minute. */
export const digestsKeptCount = 64;
/** How often writes look whether this leader still has its quorum. */
export const quorumLookMs = 5;
export const explainHeadersMax = 64;
export const watchBacklogMaxBytes = 1024 * 1024;
export const clusterIdBytes = 16;
/** Entries that recovery applies at once. */
export const recoveryBatchCount = 1_024;
