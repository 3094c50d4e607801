// typescript-eslint does here what biome cannot: promises nobody waits for, and the walls between the folders.
// Import direction: tests → services → shared/runtime → shared/protocol. A core/ and shared/protocol are pure.
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

const wall = (...patterns) => ({ 'no-restricted-imports': ['error', { patterns }] });
const packages = {
  regex: '^(node:|amqplib|koa|@koa/|koa-|pino|lmdb|prom-client)',
  message: 'A pure place imports no I/O.',
};

export default tseslint.config(
  { ignores: ['dist/**', 'node_modules/**', '**/*.mjs', '**/*.js'] },
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
    files: ['services/*/core/**/*.ts'],
    rules: wall(packages, {
      regex:
        '^(\\.\\./\\.\\./(?!\\.\\./shared/protocol/)|\\.\\./(?!\\.\\./\\.\\./shared/protocol/)(?!\\.\\./)|.*/shared/runtime/)',
      message: 'A core imports its own folder and shared/protocol, nothing else.',
    }),
  },
  {
    files: ['shared/protocol/**/*.ts'],
    rules: wall(packages, { regex: '^\\.\\./', message: 'shared/protocol imports itself and zod, nothing else.' }),
  },
  {
    files: ['shared/runtime/**/*.ts'],
    rules: wall({ regex: '/(services|tests|rabbitmq)/', message: 'shared/runtime knows no service.' }),
  },
  {
    files: ['services/*/*.ts'],
    rules: wall({
      regex: '^\\.\\./(?!\\.\\./(shared|rabbitmq)/)|/tests/',
      message: 'No service imports another.',
    }),
  },
);
