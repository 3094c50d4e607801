/** What can be asked of a benchmark, from the command line. */
import { join } from 'node:path';
import { defineProgram, flag, option, type ValuesOf } from '#process/cli/program';
import { positiveField, textField, wordField, wordsField } from '#process/setting-fields';
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
  /** Fail when a ratio has fallen too far (main.ts). */
  readonly check: boolean;
  /** Baselines by CPU to check against; without this CPU's, the former build. Null: no check. */
  readonly baseline: string | null;
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

export const PROGRAM = defineProgram({
  does: 'Measures every row of docs/performance.md on this machine, each beside its limit.',
  synopsis: ['npm run bench -- [options]'],
  options: {
    '--quick': flag('about a minute, short measurements, short logs'),
    '--rows': option('a,b', 'only these rows', textField('')),
    '--minutes': option('M', 'of the row soak, which only runs when it is named (60)', positiveField(60)),
    '--peers': option('a,b', `no rows, but our cluster beside these: ${PEER_NAMES.join(',')}`, wordsField(PEER_NAMES)),
    '--out': option('DIR', 'where run.json (peers.json) and the plots go (.cache/bench)', textField(null)),
    '--compare': option('FILE', 'compare with a saved run.json', textField(null)),
    '--check': flag('exit 1 when a ratio has fallen by more than a half against --compare'),
    '--baseline': option('FILE', "check against this CPU's runs in FILE, or else the former build", textField(null)),
    '--docs': flag('write the run into docs/performance.md and docs/images'),
    '--into': option('FILE', "show the rows in the place of a saved run's, with its others", textField(null)),
    '--from': option('FILE', 'show a saved run.json (with --peers: peers.json), measure nothing', textField(null)),
    '--broker': option('WAY', `one of ${WAYS.join(', ')} (as npm start)`, wordField(WAYS, null)),
    '--dist': option('DIR', 'the compiled product to measure (dist)', textField(null)),
    '--profile': option('DIR', 'write a CPU profile of each node of the shared cluster', textField(null)),
  },
  notes: `Exit codes: 0 measured; 1 a ratio has fallen too far, or a row failed; 2 wrong use;
3 measured, and --baseline found nothing to compare with.`,
});

export function optionsOf(values: ValuesOf<typeof PROGRAM>, root: string): Options {
  return {
    isQuick: values['--quick'],
    rows: (values['--rows'] ?? '').split(',').filter((row) => row !== ''),
    peers: values['--peers'],
    minutes: values['--minutes'],
    dist: values['--dist'] ?? join(root, 'dist'),
    out: values['--out'] ?? join(root, '.cache', 'bench'),
    compare: values['--compare'],
    check: values['--check'],
    baseline: values['--baseline'],
    from: values['--from'],
    into: values['--into'],
    docs: values['--docs'],
    way: values['--broker'],
    profile: values['--profile'],
  };
}
