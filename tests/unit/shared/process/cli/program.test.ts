import { defineProgram, flag, option, readArguments, UsageError, usageOf } from '#process/cli/program';
import { textField, wholeNumberField } from '#process/setting-fields';

const PROGRAM = defineProgram({
  does: 'Breaks things.',
  synopsis: ['npm run break -- [options]'],
  options: {
    '--minutes': option('M', 'how long (2)', wholeNumberField({ min: 1, max: 60, fallback: 2 })),
    '--name': option('NAME', 'who\nmay be given several times', textField(null), { short: 'n', isList: true }),
    '--token': option('TOKEN', 'the password', textField(null), { variable: 'API_TOKEN' }),
    '--no-build': flag('what is in dist/'),
  },
  relations: [
    {
      variable: '--minutes',
      needs: ['--no-build'],
      fault: (values) => (values['--no-build'] && values['--minutes'] > 9 ? 'is too long without a build' : null),
    },
  ],
});
const TAKES_FOLDERS = defineProgram({
  does: 'Looks.',
  synopsis: ['look DIR'],
  options: {},
  operands: { min: 1, max: 1, rule: 'Exactly one folder must be given.', hasRest: true },
});

const read = (...args: string[]) => readArguments(PROGRAM, args)?.values;

function faultsOf(...args: string[]): string {
  try {
    read(...args);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    expect(error.message.endsWith(`\n\n${usageOf(PROGRAM)}`)).toBe(true);
    expect(error.exitCode).toBe(2);
    return error.message.slice(0, -usageOf(PROGRAM).length - 2);
  }
  throw new Error(`no fault found in ${args.join(' ')}`);
}

test('values and flags are taken, apart or with "="; what is left out has its default', () => {
  expect(read()).toEqual({ '--minutes': 2, '--name': null, '--token': null, '--no-build': false });
  expect(read('--minutes=5', '--no-build')).toMatchObject({ '--minutes': 5, '--no-build': true });
  expect(read('--minutes', '5', '--minutes', '7')).toMatchObject({ '--minutes': 7 });
});

test('a list is added up, by its short name too', () => {
  expect(read('--name', 'a', '-n', 'b', '-nc')).toMatchObject({ '--name': 'a,b,c' });
});

test('a variable stands in for an option', () => {
  expect(readArguments(PROGRAM, [], { API_TOKEN: 'a' })?.values['--token']).toBe('a');
  expect(readArguments(PROGRAM, ['--token', 'b'], { API_TOKEN: 'a' })?.values['--token']).toBe('b');
});

test.each([[['--help']], [['-h']], [['--bogus', '-h']]])('%j asks for help, whatever else is wrong', (args) => {
  expect(readArguments(PROGRAM, args)).toBeNull();
});

test.each([
  [['--minuts', '3'], /^unknown option --minuts; did you mean --minutes\?$/m],
  [['--minutes3'], /^unknown option --minutes3; did you mean --minutes\?$/m],
  [['--min'], /^unknown option --min; did you mean --minutes\?$/m],
  [['--no-biuld'], /^unknown option --no-biuld; did you mean --no-build\?$/m],
  [['--colour'], /^unknown option --colour$/m],
  [['-q'], /^unknown option -q$/m],
  [['--no-minutes'], /^unknown option --no-minutes/m],
  [['--minutes'], /^--minutes needs a value$/m],
  [['--minutes', '--no-build'], /^--minutes needs a value$/m],
  [['--minutes', 'x'], /^--minutes must be a whole number from 1 to 60, not "x"$/m],
  [['--no-build=yes'], /^--no-build takes no value$/m],
  [['5'], /^5 is no option; with npm, options come after a "--"$/m],
  [['--minutes', '10', '--no-build'], /^--minutes is too long without a build$/m],
])('%j is wrong use', (args, message) => {
  expect(faultsOf(...args)).toMatch(message);
});

test('all faults are told at once', () => {
  expect(faultsOf('--minuts', '--minutes', '99', '--name').split('\n')).toHaveLength(3);
});

test('what follows an unknown option is not another fault', () => {
  expect(faultsOf('--minuts', '3')).toBe('unknown option --minuts; did you mean --minutes?');
});

test('operands are counted; what follows "--" is apart', () => {
  expect(readArguments(TAKES_FOLDERS, ['a', '--', 'b', '--c'])).toMatchObject({ operands: ['a'], rest: ['b', '--c'] });
  for (const args of [[], ['a', 'b']])
    expect(() => readArguments(TAKES_FOLDERS, args)).toThrow('Exactly one folder must be given.');
});

test('the usage is made from the table', () => {
  expect(usageOf(PROGRAM)).toBe(`Breaks things.

  npm run break -- [options]

  --minutes M      how long (2)
  -n, --name NAME  who
                   may be given several times
  --token TOKEN    the password
  --no-build       what is in dist/
  -h, --help       this text`);
});
