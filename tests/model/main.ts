/**
 * Searches by hand: `tsx tests/model/main.ts [part of a name] [--deeper=2]` runs the searches whose
 * names contain the words, that much deeper, and prints the shortest history of everything that is
 * found.
 */
import { describeFinding, runSearch } from './run';
import { SEARCHES } from './searches';

const args = process.argv.slice(2);
const words = args.filter((arg) => !arg.startsWith('--')).join(' ');
const deeper = Number(args.find((arg) => arg.startsWith('--deeper='))?.slice('--deeper='.length) ?? 0);

for (const each of SEARCHES.filter(({ name }) => name.includes(words))) {
  const started = Date.now();
  const { states, steps, depth, isComplete, findings } = runSearch(each, deeper);
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  const extent = isComplete ? 'all there are' : `${depth} steps deep`;
  process.stdout.write(`${each.name}: ${states} states (${extent}), ${steps} steps, ${seconds} s\n`);
  for (const finding of findings) {
    const isKnown = each.finds.includes(describeFinding(finding));
    process.stdout.write(`  ${isKnown ? 'exception' : 'NOT EXCEPTED'} ${describeFinding(finding)}: ${finding.what}\n`);
    for (const what of finding.history) process.stdout.write(`    ${what}\n`);
  }
}
