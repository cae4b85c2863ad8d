/**
 * From the node's settings to what the control plane takes: same facts, its names.
 */
import type { ControlSettings } from '@flotilla/controlplane';
import type { NodeSettings } from '../settings/types.ts';
import { VERSION } from '../version.ts';

export function toControlSettings(settings: NodeSettings): ControlSettings {
  const { tls, apiTls } = settings;
  return {
    nodeId: settings.nodeId,
    clusterName: settings.clusterName,
    dataDir: settings.dataDir,
    apiListen: settings.apiListen,
    apiAdvertise: settings.apiAdvertise,
    bindAddress: settings.bindAddress,
    portOffset: settings.portOffset,
    raftListen: settings.raftListen,
    raftAdvertise: settings.raftAdvertise,
    peers: settings.peers,
    join: settings.join,
    tokens: settings.apiTokens,
    joinToken: settings.joinToken,
    raftTls: tls === null ? null : { caPem: tls.ca, certPem: tls.cert, keyPem: tls.key },
    apiTls: apiTls === null ? null : { certPem: apiTls.cert, keyPem: apiTls.key },
    apiTlsCa: settings.apiTlsCa,
    keys: settings.keys,
    clusterSecret: settings.clusterSecret ?? '',
    seedConfig: settings.initialConfig,
    version: VERSION,
  };
}
