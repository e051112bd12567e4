/**
 * The node of this program. `Citadel.start()`, typed at the prompt or called in the user's file,
 * answers it, and starts it if it is the first to ask; what the command line says counts before the
 * options given there. Asked for by another name, it starts a further node, stopped with this one.
 */
import { isDeepStrictEqual } from 'node:util'
import { CitadelError } from '../base/errors.js'
import { Citadel, type CitadelOptions } from '../citadel.js'
import { type ArbiterOption, arbiterSettings } from '../cluster/arbiters/arbiter-options.js'
import type { ServerModule } from '../kernel/process-port.js'
import type { Stoppable } from '../signals.js'

type Start = (options?: CitadelOptions) => Promise<Citadel>

export class ProgramNode implements Stoppable {
  /** What `Citadel.start()` answers: the node as the shell's process sees it, once there is one. */
  present: (node: Citadel) => Citadel = (node) => node
  private readonly startNode: Start = Citadel.start.bind(Citadel)
  private readonly modules: Record<string, ServerModule> = {}
  private readonly others: Citadel[] = []
  private main: Promise<Citadel> | undefined
  private arbiter: ArbiterOption | undefined

  constructor(private readonly options: CitadelOptions) {}

  /** From here on `Citadel.start()` of this program is ours. */
  install(): void {
    Citadel.start = async (options = {}) => {
      if (await this.isAnother(options.name)) return this.startAnother(options)
      return this.present(await this.start(options))
    }
  }

  /** Classes that the node can start; those that are added before it starts are announced. */
  offer(modules: Readonly<Record<string, ServerModule>>): void {
    Object.assign(this.modules, modules)
  }

  async start(options: CitadelOptions = {}): Promise<Citadel> {
    Object.assign(this.modules, options.modules)
    if (this.main) this.checkArbiter(options)
    else this.arbiter = options.arbiter
    this.main ??= this.startNode({ ...options, ...this.options, modules: this.modules })
    return this.main
  }

  /** Whoever asks for one owner at any time and does not get it must hear of that. */
  private checkArbiter({ arbiter }: CitadelOptions): void {
    if (arbiter === undefined) return
    if (isDeepStrictEqual(arbiterSettings(arbiter), arbiterSettings(this.arbiter))) return
    throw new CitadelError(
      'bad_argument',
      'This node runs already, with another arbiter: give it in the first Citadel.start() of the FILE that the command loads.',
    )
  }

  /** Also when the node never started; who asked for that was told why it did not. */
  async stop(options?: { budgetMs?: number }): Promise<void> {
    const main = await this.main?.catch(() => undefined)
    const nodes: Stoppable[] = main ? [...this.others, main] : this.others
    const stops = nodes.map((node) => node.stop(options))
    await Promise.allSettled(stops)
    await Promise.all(stops)
  }

  private async isAnother(name: string | undefined): Promise<boolean> {
    if (name === undefined) return false
    const own = this.options.name ?? (await this.main)?.name
    return own !== undefined && own !== name
  }

  private async startAnother(options: CitadelOptions): Promise<Citadel> {
    const { cookie, epmdPort, domain } = this.options
    const node = await this.startNode({ ...defined({ cookie, epmdPort, domain }), ...options })
    this.others.push(node)
    return node
  }
}

/** Options that are not set must not hide those that are. */
export function defined<T extends object>(options: T): Partial<T> {
  return Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined),
  ) as Partial<T>
}
