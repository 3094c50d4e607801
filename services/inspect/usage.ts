/** What `npm run inspect` takes. */
import { defineProgram, flag } from '#process/cli/program';

export const PROGRAM = defineProgram({
  does: "Prints what a node's data folder holds. Starts no node and changes nothing, so it can be used while the node runs.",
  synopsis: ['npm run -s inspect -- DIR [options]      in the image: node dist/services/inspect/main.js DIR [options]'],
  options: {
    '--json': flag('the summary as one JSON object'),
    '--entries': flag('the good entries on stdout, one JSON object a line; the summary goes to stderr then'),
  },
  operands: { min: 1, max: 1, rule: 'Exactly one folder must be given.' },
  notes:
    'Exit codes: 0 done, also when damage was found; 1 there is no store in the folder, or it cannot be read; 2 wrong use.',
});
