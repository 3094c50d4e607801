/**
 * Our cluster beside each peer, a ratio for each load: the median of our rounds, divided by the
 * median of the peer's. Of a peer's clients the better one counts, load by load.
 */
import { median } from '../load/histogram';
import { digits, type RowResult } from '../row';
import { LOAD_NAMES, type LoadName, type PeerRatio, type RoundMeasured, type SystemResult } from './peer';

interface LoadShown {
  readonly title: string;
  readonly unit: string;
  readonly lessIsBetter: boolean;
  readonly of: (round: RoundMeasured) => number;
}

export const LOADS: Readonly<Record<LoadName, LoadShown>> = {
  one: { title: '1 client: p50', unit: 'ms', lessIsBetter: true, of: ({ oneMs }) => oneMs.p50 },
  single: {
    title: '64 clients',
    unit: 'entries/s',
    lessIsBetter: false,
    of: ({ singlePerSecond }) => singlePerSecond,
  },
  bulk: {
    title: '64 clients × 100',
    unit: 'entries/s',
    lessIsBetter: false,
    of: ({ bulkPerSecond }) => bulkPerSecond,
  },
};

type Bounds = Pick<RowResult, 'floor' | 'goal'>;

const AS_FAST: Bounds = { floor: 0.8, goal: 1 };

/** Of the ratios that are judged, by the peer's title; the others are shown. */
const BOUNDS: Readonly<Record<string, Partial<Record<LoadName, Bounds>>>> = {
  etcd: { one: { floor: 1.4, goal: 1 } },
  PostgreSQL: { single: AS_FAST, bulk: AS_FAST },
};

/**
 * @param systems our own cluster first
 * @returns load by load, in the order of the systems; none where either side was not measured, or
 * had no answer in time
 */
export function ratiosOf([own, ...peers]: readonly SystemResult[]): PeerRatio[] {
  const titles = [...new Set(peers.map(({ title }) => title))];
  const clientsOf = (peer: string) => peers.filter(({ title }) => title === peer);
  return LOAD_NAMES.flatMap((load) => titles.flatMap((peer) => ratioOf(load, own, clientsOf(peer))));
}

function ratioOf(load: LoadName, own: SystemResult | undefined, clients: readonly SystemResult[]): PeerRatio[] {
  const { of, lessIsBetter } = LOADS[load];
  const measuredOf = (system: SystemResult | undefined) => median((system?.rounds ?? []).map(of));
  const measured = clients.filter((client) => measuredOf(client) > 0);
  const [best] = measured.sort((a, b) => (measuredOf(a) - measuredOf(b)) * (lessIsBetter ? 1 : -1));
  const [ours, theirs] = [measuredOf(own), measuredOf(best)];
  if (best === undefined || ours === 0) return [];
  const { title: peer, version = '', client, durable = '' } = best;
  const bounds = BOUNDS[peer]?.[load];
  return [{ load, peer, version, client, durable, ratio: digits(ours / theirs), ours, theirs, ...bounds }];
}
