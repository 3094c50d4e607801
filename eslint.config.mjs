// typescript-eslint does here what biome cannot: promises nobody waits for, and the walls between the folders.
// Import direction: tests, tools → services → shared rooms → shared/protocol. services/node is the
// only service that others import. A core/ and shared/protocol are pure.
import tseslint from 'typescript-eslint';

const PURE = ['services/*/core/**/*.ts', 'shared/protocol/**/*.ts'];

const impure = {
  globals: [
    'process',
    'Buffer',
    'setTimeout',
    'setInterval',
    'setImmediate',
    'queueMicrotask',
    'performance',
    'console',
  ].map((name) => ({ name, message: 'A pure place: hand it in as an argument or an event.' })),
  properties: [
    { object: 'Math', property: 'random', message: 'Random numbers are drawn at the edge and passed in.' },
    { object: 'Date', property: 'now', message: 'Time is an argument.' },
    { object: 'crypto', property: 'randomUUID', message: 'Random numbers are drawn at the edge and passed in.' },
  ],
};

/** Rooms are named in package.json's `imports`. A path climbs one folder at most, and never out of its room. */
const climbing = { regex: '^(\\.\\./){2}', message: "Import by the room's name: package.json, imports." };
const only = (...rooms) => ({
  regex: `^#(?!(${rooms.join('|')})/)`,
  message: `This room knows ${rooms.join(', ')} only.`,
});
const no = (...rooms) => ({
  regex: `^#(${rooms.join('|')})/`,
  message: `This room knows nothing of ${rooms.join(', ')}.`,
});
const inside = { regex: '^\\.\\./', message: 'This path leaves the room.' };
const otherRoom = { regex: '^\\.\\./[^/]+/', message: 'The rooms of a core do not know each other.' };
const room = (files, ...patterns) => ({
  files: [files],
  rules: { 'no-restricted-imports': ['error', { patterns: [climbing, ...patterns] }] },
});
const packages = {
  regex: '^(node:|amqplib|koa|@koa/|koa-|pino|lmdb|prom-client)',
  message: 'A pure place imports no I/O.',
};

export default tseslint.config(
  { ignores: ['dist/**'] },
  {
    files: ['**/*.ts'],
    languageOptions: {
      parser: tseslint.parser,
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    plugins: { '@typescript-eslint': tseslint.plugin },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/only-throw-error': 'error',
      '@typescript-eslint/prefer-promise-reject-errors': 'error',
    },
  },
  {
    files: PURE,
    rules: {
      'no-restricted-globals': ['error', ...impure.globals],
      'no-restricted-properties': ['error', ...impure.properties],
      'no-restricted-syntax': [
        'error',
        { selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: 'Time is an argument.' },
      ],
    },
  },
  {
    files: ['services/**/*.ts', 'shared/**/*.ts'],
    ignores: ['shared/process/logger.ts'],
    rules: {
      'no-restricted-properties': [
        'error',
        ...['debug', 'info', 'warn', 'error', 'fatal'].map((property) => ({
          object: 'logger',
          property,
          message: 'Every line has an event: logEvent of #process/logger.',
        })),
      ],
    },
  },
  room('**/*.ts'),
  room('shared/protocol/**/*.ts', packages, only('protocol')),
  room('shared/storage/**/*.ts', only('protocol', 'storage', 'process')),
  room('shared/amqp/**/*.ts', only('protocol', 'amqp', 'process')),
  room('shared/http/**/*.ts', only('protocol', 'storage', 'process', 'http')),
  room('shared/process/**/*.ts', only('protocol', 'storage', 'process')),
  room('services/**/*.ts', no('tests', 'bench', 'tools')),
  room('services/master/**/*.ts', no('tests', 'bench', 'secondary', 'services', 'tools')),
  room('services/secondary/**/*.ts', no('tests', 'bench', 'master', 'services', 'tools')),
  room('tools/**/*.ts', no('tests', 'bench', 'master', 'secondary', 'services')),
  room('services/node/**/*.ts', only('protocol', 'storage', 'amqp', 'http', 'process', 'node'), inside),
  room('services/*/core/**/*.ts', packages, only('protocol')),
  room('services/*/core/*.ts', packages, only('protocol'), inside),
  // The rooms of a core are leaves: only the machine and its view know several of them.
  room('services/*/core/*/**/*.ts', packages, only('protocol'), otherRoom),
);
