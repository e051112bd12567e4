/**
 * Runs what is typed, one statement at a time, in the program's own context, so that its objects are
 * the same kind as everybody else's. A promise is waited for, as iex would; an error is an outcome.
 */
import { isPromise } from 'node:util/types'
import { constants, Script } from 'node:vm'
import { compileStatement } from './statement.js'

export type Outcome =
  | { readonly type: 'incomplete' }
  | { readonly type: 'value'; readonly value: unknown }
  | { readonly type: 'error'; readonly error: unknown }

const FILENAME = 'shell'

export async function evaluate(typed: string): Promise<Outcome> {
  const statement = compileStatement(typed)
  if (statement.type === 'incomplete') return statement
  if (statement.type === 'wrong') return { type: 'error', error: statement.error }
  try {
    let value = run(statement.code)
    if (statement.isAsync) value = ((await value) as { value: unknown } | undefined)?.value
    // Only true promises: a thenable of the user's own is shown as it is.
    return { type: 'value', value: isPromise(value) ? await value : value }
  } catch (error) {
    return { type: 'error', error }
  }
}

/** Node.js warns that the way `import()` is made to work here may change; no user can act on that. */
export function silenceLoaderWarning(): void {
  const warn = process.emitWarning as (...args: unknown[]) => void
  process.emitWarning = (...args: unknown[]): void => {
    if (!String(args[0]).includes('USE_MAIN_CONTEXT_DEFAULT_LOADER')) warn.apply(process, args)
  }
}

function run(code: string): unknown {
  const script = new Script(code, {
    filename: FILENAME,
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  })
  return script.runInThisContext()
}
