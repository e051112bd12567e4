/** What a second call of `citadel.supervisor` on the same node may say: more, and nothing else. */
import { describeQuoted } from '../../base/describe.js'
import { CitadelError } from '../../base/errors.js'
import type { ServerModule } from '../../kernel/process-port.js'
import { termKey } from '../../term/key.js'
import type { StaticChild, SupervisorOptions } from './children-options.js'
import { supervisorOptions } from './supervisor-options.js'

export interface Additions {
  readonly modules: readonly (readonly [name: string, module: ServerModule])[]
  readonly children: readonly StaticChild[]
}

/**
 * A supervisor that is leaving can still be asked, but takes nothing any more.
 * @throws CitadelError `unavailable` for classes or children, which it would not run.
 */
export function refuseJoining(supervisor: string, { modules, children }: SupervisorOptions): void {
  if (modules === undefined && children === undefined) return
  const sentence = `This node is leaving supervisor "${supervisor}": join it again when drain() has resolved.`
  throw new CitadelError('unavailable', sentence)
}

/** @throws CitadelError `bad_argument` that names the option that contradicts what the first call gave. */
export function additions(
  supervisor: string,
  { modules = {}, children = [], ...given }: SupervisorOptions,
  first: SupervisorOptions,
  known: ReadonlyMap<string, ServerModule>,
): Additions {
  const standard = { weight: 1, restart: 'transient', ...supervisorOptions(first) }
  const present: Readonly<Record<string, unknown>> = { ...standard, ...defined(first) }
  for (const [name, value] of Object.entries(defined(given))) {
    if (!Object.is(value, present[name])) throw contradicts(supervisor, name, value, present[name])
  }
  for (const [name, module] of Object.entries(modules)) {
    const other = known.get(name)
    if (other && other !== module) throw contradicts(supervisor, `modules.${name}`, module, other)
  }
  const ids = new Set(first.children?.map(({ id }) => termKey(id)))
  return {
    modules: Object.entries(modules).filter(([name]) => !known.has(name)),
    children: children.filter(({ id }) => !ids.has(termKey(id))),
  }
}

const defined = (options: object): Readonly<Record<string, unknown>> =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))

function contradicts(
  supervisor: string,
  option: string,
  value: unknown,
  known: unknown,
): CitadelError {
  const was = known === undefined ? 'was not given' : `is ${describeQuoted(known)}`
  return new CitadelError(
    'bad_argument',
    `${option} of supervisor "${supervisor}" ${was} on this node, and cannot be ${describeQuoted(value)} now: give it when the node joins first.`,
  )
}
