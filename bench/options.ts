/** What can be asked of a benchmark, from the command line. */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { WAYS, type Way } from '#tools/broker/provide';
import { PEER_NAMES, type PeerName } from './peers/peer';

export interface Options {
  readonly isQuick: boolean;
  /** Ids of the rows wanted; empty: all. */
  readonly rows: readonly string[];
  /** Peers to compare with instead of measuring rows; empty: none. */
  readonly peers: readonly PeerName[];
  /** Of the row `soak`. */
  readonly minutes: number;
  /** Where the compiled product is. */
  readonly dist: string;
  /** Folder for what was measured: run.json and the plots. */
  readonly out: string;
  /** A saved run to compare with; null: none. */
  readonly compare: string | null;
  /** Fail when a ratio has fallen by more than half. */
  readonly check: boolean;
  /** A saved run to show instead of measuring; null: measure. */
  readonly from: string | null;
  /** A saved run whose rows are kept where this one has none; null: this run alone. */
  readonly into: string | null;
  /** Write the run into docs/performance.md. */
  readonly docs: boolean;
  /** How the broker is to be had; null: as `npm start` has it. */
  readonly way: Way | null;
  /** Folder for a CPU profile of each node; null: none. */
  readonly profile: string | null;
}

export const USAGE = `npm run bench -- [options]
  --quick            about a minute, short measurements, short logs
  --rows a,b         only these rows
  --minutes M        of the row soak, which only runs when it is named (default 60)
  --peers a,b        no rows, but our cluster beside these: ${PEER_NAMES.join(',')}
  --out DIR          where run.json (peers.json) and the plots go (default .cache/bench)
  --compare FILE     compare with a saved run.json
  --check            exit 1 when a ratio has fallen by more than half against --compare
  --docs             write the run into docs/performance.md and docs/images
  --into FILE        show the rows in the place of a saved run's, with its others
  --from FILE        show a saved run.json (with --peers: peers.json), measure nothing
  --broker WAY       container or private-node (default: as npm start)
  --dist DIR         the compiled product to measure (default dist)
  --profile DIR      write a CPU profile of each node of the shared cluster
`;

function peerNamed(name: string): PeerName {
  const known = PEER_NAMES.find((peer) => peer === name);
  if (known === undefined) throw new Error(`no peer is named "${name}"; there are ${PEER_NAMES.join(', ')}`);
  return known;
}

function minutesOf(text: string): number {
  const minutes = Number(text);
  if (!(minutes > 0)) throw new Error(`--minutes takes a number above 0, not "${text}"`);
  return minutes;
}

/** Null: usage was asked for, or is needed. */
export function readOptions(argv: readonly string[], root: string): Options | null {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      quick: { type: 'boolean', default: false },
      rows: { type: 'string', default: '' },
      minutes: { type: 'string', default: '60' },
      peers: { type: 'string', default: '' },
      out: { type: 'string', default: join(root, '.cache', 'bench') },
      compare: { type: 'string' },
      check: { type: 'boolean', default: false },
      dist: { type: 'string', default: join(root, 'dist') },
      broker: { type: 'string' },
      profile: { type: 'string' },
      from: { type: 'string' },
      into: { type: 'string' },
      docs: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return null;
  return {
    isQuick: values.quick,
    rows: values.rows.split(',').filter((row) => row !== ''),
    peers: values.peers
      .split(',')
      .filter((name) => name !== '')
      .map(peerNamed),
    minutes: minutesOf(values.minutes),
    dist: values.dist,
    out: values.out,
    compare: values.compare ?? null,
    check: values.check,
    from: values.from ?? null,
    into: values.into ?? null,
    docs: values.docs,
    way: WAYS.find((way) => way === values.broker) ?? null,
    profile: values.profile ?? null,
  };
}
