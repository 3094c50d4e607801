/**
 * Makes the table of faults from what the fault tests measured: fault, what a client sees, how long, what brought it back, test.
 *
 *     RLOG_FAULT_REPORT=faults.jsonl npm run test:integration
 *     node tools/scripts/fault-table.mjs faults.jsonl docs/faults.md "On which machine, and how busy."
 *
 * The report has one JSON line for each fault and each run of its test; the last line of a fault counts. Without a second argument the
 * table goes to stdout.
 */
import { readFileSync, writeFileSync } from 'node:fs';

const [reportPath, tablePath, measuredOn] = process.argv.slice(2);
if (reportPath === undefined) {
  console.error('usage: node tools/scripts/fault-table.mjs <report.jsonl> [<table.md> [<measured on>]]');
  process.exit(64);
}

const HEAD = `# Faults and what becomes of them

\`tools/scripts/fault-table.mjs\` generated this page from a run of the tests that the last column
names. Each test ends with all logs equal: no entry is missing, none is there twice, and every acknowledged
entry is in its place. The cluster has three nodes on one machine, real processes and a real
RabbitMQ.

*Writable again* counts from the start of the fault to the first append that a majority
acknowledged. If no append was possible while the cause lasted (a full disk, a network cut), it
counts from the end of the cause. *Converged* counts from the end of the cause (the process was
started again, the network or the disk was restored) until all nodes show the same log. A client
sends an append again, with its id, after a 503 or a lost connection.
${measuredOn === undefined ? '' : `\n${measuredOn}\n`}
| fault | what a client sees | writable again | converged | what brought it back | test |
| --- | --- | --- | --- | --- | --- |
`;

const faults = new Map();
for (const [at, line] of readFileSync(reportPath, 'utf8').split('\n').entries()) {
  if (line.trim() === '') continue;
  const row = parse(line, at + 1);
  faults.set(row.fault, row);
}
const rows = [...faults.values()].sort((a, b) => a.fault.localeCompare(b.fault));
const table = HEAD + rows.map(rowOf).join('');
if (tablePath === undefined) process.stdout.write(table);
else writeFileSync(tablePath, table);

function parse(line, number) {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw new Error(`${reportPath}, line ${number} is not JSON`, { cause });
  }
}

function rowOf({ fault, clientSees, writableAgainMs, convergedMs, broughtBackBy, test }) {
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
function duration(ms) {
  const rounded = Number(ms.toPrecision(2));
  return rounded < 1000 ? `${rounded} ms` : `${rounded / 1000} s`;
}
