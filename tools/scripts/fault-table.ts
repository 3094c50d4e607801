/**
 * Makes the table of faults from what the fault tests measured: fault, what a client sees, how
 * long, what brought it back, test.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { defineProgram, option } from '#process/cli/program';
import { runProgram } from '#process/cli/run-program';
import { textField } from '#process/setting-fields';

/** A line of the report, as tests/support/real/fault-watch.ts writes it. */
interface FaultRow {
  readonly fault: string;
  readonly clientSees: string;
  readonly writableAgainMs: number;
  readonly convergedMs: number;
  readonly broughtBackBy: string;
  /** "path: name". */
  readonly test: string;
}

const PROGRAM = defineProgram({
  does: 'Makes the table of docs/faults.md from what the fault tests measured.',
  synopsis: [
    'RLOG_FAULT_REPORT=faults.jsonl npm run test:integration',
    'npx tsx tools/scripts/fault-table.ts faults.jsonl --into docs/faults.md --on "which machine, and how busy"',
  ],
  options: {
    '--into': option('FILE', 'write the page there (stdout)', textField(null)),
    '--on': option('TEXT', 'a sentence on where it was measured', textField(null)),
  },
  operands: { min: 1, max: 1, rule: 'Exactly one report must be given.' },
  notes: 'The report has one JSON line for each fault and each run of its test; the last line of a fault counts.',
});

void runProgram(PROGRAM, ({ values, operands: [report = ''] }) => {
  const faults = new Map<string, FaultRow>();
  for (const [at, line] of readFileSync(report, 'utf8').split('\n').entries()) {
    if (line.trim() === '') continue;
    const row = parse(line, `${report}, line ${at + 1}`);
    faults.set(row.fault, row);
  }
  const rows = [...faults.values()].sort((a, b) => a.fault.localeCompare(b.fault));
  const page = headOf(values['--on']) + rows.map(rowOf).join('');
  if (values['--into'] === null) process.stdout.write(page);
  else writeFileSync(values['--into'], page);
  return 0;
});

function headOf(measuredOn: string | null): string {
  return `# Faults and what becomes of them

\`tools/scripts/fault-table.ts\` generated this page from a run of the tests that the last column
names. Each test ends with all logs equal: no entry is missing, none is there twice, and every
acknowledged entry is in its place. The cluster has three nodes on one machine, real processes and a
real RabbitMQ.

*Writable again* counts from the start of the fault to the first append that a majority
acknowledged. If no append was possible while the cause lasted (a full disk, a network cut), it
counts from the end of the cause. *Converged* counts from the end of the cause (the process was
started again, the network or the disk was restored) until all nodes show the same log. A client
sends an append again, with its id, after a 503 or a lost connection.
${measuredOn === null ? '' : `\n${measuredOn}\n`}
| fault | what a client sees | writable again | converged | what brought it back | test |
| --- | --- | --- | --- | --- | --- |
`;
}

function parse(line: string, where: string): FaultRow {
  try {
    return JSON.parse(line) as FaultRow;
  } catch (cause) {
    throw new Error(`${where} is not JSON`, { cause });
  }
}

function rowOf({ fault, clientSees, writableAgainMs, convergedMs, broughtBackBy, test }: FaultRow): string {
  const [file, ...name] = test.split(': ');
  const cells = [
    fault,
    clientSees,
    duration(writableAgainMs),
    duration(convergedMs),
    broughtBackBy,
    `[${name.join(': ')}](../${file})`,
  ];
  return `| ${cells.map((cell) => String(cell).replaceAll('|', '\\|')).join(' | ')} |\n`;
}

/** Two digits are all that one run on one machine can tell. */
function duration(ms: number): string {
  const rounded = Number(ms.toPrecision(2));
  return rounded < 1000 ? `${rounded} ms` : `${rounded / 1000} s`;
}
