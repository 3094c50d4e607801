/** What `npm run inspect` takes: its arguments, and what it says of them. */
import { parseArgs } from 'node:util';

export const USAGE = `Prints what a node's data folder holds. Starts no node and changes nothing, so it can be used while the node runs.

  npm run -s inspect -- DIR [options]      in the image: node dist/services/inspect/main.js DIR [options]

  --json       the summary as one JSON object
  --entries    the good entries on stdout, one JSON object a line; the summary goes to stderr then
  --help       this text

Exit codes: 0 done, also when damage was found; 1 there is no store in the folder, or it cannot be read; 2 wrong use.`;

export interface InspectArguments {
  readonly directory: string;
  readonly json: boolean;
  readonly entries: boolean;
}

/** The arguments, `help`, or what is wrong with them. */
export function readArguments(args: readonly string[]): InspectArguments | 'help' | { readonly fault: string } {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { json: { type: 'boolean' }, entries: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
    });
    if (values.help === true) return 'help';
    const [directory, ...others] = positionals;
    if (directory === undefined || others.length > 0) return { fault: 'Exactly one folder must be given.' };
    return { directory, json: values.json === true, entries: values.entries === true };
  } catch (error) {
    return { fault: error instanceof Error ? error.message : String(error) };
  }
}
