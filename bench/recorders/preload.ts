/**
 * Loads a recorder into the nodes of a cluster. The recorder is compiled to a file of its own, so
 * that the node runs plain Node with one module more, and no loader.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ModuleKind, ScriptTarget, transpileModule } from 'typescript';

/** The modules of each recorder, the main one first. They import types and Node's modules only. */
const MODULES = {
  steps: ['steps', 'step-recorder'],
  pauses: ['pauses'],
} as const;

const compilerOptions = { module: ModuleKind.CommonJS, target: ScriptTarget.ES2022 };

/**
 * @param directory where the compiled modules go, and what the nodes record
 * @returns the environment of the nodes
 */
export function recorderEnv(recorder: keyof typeof MODULES, directory: string) {
  mkdirSync(directory, { recursive: true });
  for (const name of MODULES[recorder]) {
    const source = readFileSync(join(__dirname, `${name}.ts`), 'utf8');
    writeFileSync(join(directory, `${name}.js`), transpileModule(source, { compilerOptions }).outputText);
  }
  const [main] = MODULES[recorder];
  return { NODE_OPTIONS: `--require ${join(directory, `${main}.js`)}`, RECORD_TO: directory };
}

/** Of the file that the node writes. */
export function recordOf(directory: string, node: string): string {
  return join(directory, `${node}.record`);
}
