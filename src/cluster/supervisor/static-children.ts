/** Children that are always there: each is started unless the members know of it, or of its end. */
import type { Logger } from '../../base/log.js'
import type { World } from '../../base/world.js'
import { toOutcome } from '../../kernel/remote-outcome.js'
import { termKey } from '../../term/key.js'
import type { Pid } from '../../term/pid.js'
import { showKey } from '../../term/show-key.js'
import type { Scope } from '../tables/scope.js'
import type { StartChildOptions, StaticChild } from './children-options.js'

export interface StaticChildrenParts {
  readonly specs: Scope<'s'>
  readonly world: World
  readonly log: Logger
  /** Before that nothing is decided. */
  readonly looked?: Promise<unknown> | undefined
  isMember(): boolean
  start(module: string, args: readonly unknown[], options: StartChildOptions): Promise<Pid>
}

const RETRY_MS = 20
const RETRY_MAX_MS = 5_000
/** What fails by this fails again. */
const HOPELESS: ReadonlySet<string> = new Set([
  'init_failed',
  'bad_argument',
  'unserializable',
  'limit_exceeded',
])

export class StaticChildren {
  constructor(private readonly parts: StaticChildrenParts) {}

  /** Resolves when it is there, was terminated on purpose, or will never start. */
  async ensure({ module, args = [], ...options }: StaticChild): Promise<void> {
    const { log, world, specs } = this.parts
    const key = termKey(options.id)
    await this.parts.looked
    for (let wait = RETRY_MS; this.parts.isMember(); wait = Math.min(wait * 2, RETRY_MAX_MS)) {
      if (specs.table.rows.has(key)) return
      const started = await toOutcome(this.parts.start(module as string, args, options))
      if (started.ok || started.code === 'already_started') return
      if (HOPELESS.has(started.code)) {
        log.error(`static child ${showKey(options.id)} cannot start: ${started.message}`)
        return
      }
      await new Promise<void>((resolve) => world.clock.after(wait, resolve))
    }
  }
}
