/** The process by which the other members of a distributed supervisor reach this node's share of it. */
import { GenServer } from '../process/gen-server.js'
import { noReply } from '../process/request.js'
import type { ChildRunner } from './child-runner.js'
import { badRequest, toOutcome } from './remote-outcome.js'
import { type ChildRecipe, isRecipe } from './spec-table.js'

/** The local name of that process. */
export const supervisorServerName = (supervisor: string): string =>
  `citadel_supervisor_${supervisor}`

export class SupervisorServer extends GenServer {
  static readonly callable = ['start', 'terminateChild']
  private runner!: ChildRunner
  private flushed!: () => Promise<void>

  init(runner: ChildRunner, flushed: () => Promise<void>): void {
    this.runner = runner
    this.flushed = flushed
  }

  start(id: string, childId: unknown, recipe: ChildRecipe, versionMax: number): typeof noReply {
    if (typeof id !== 'string' || !isRecipe(recipe)) return this.answer(badRequest('start'))
    return this.answer(
      this.runner.start(id, childId, recipe, versionMax).then(async (pid) => {
        await this.flushed()
        return pid ?? null
      }),
    )
  }

  terminateChild(id: string, childId: unknown, versionMax: number): typeof noReply {
    if (typeof id !== 'string') return this.answer(badRequest('terminateChild'))
    this.runner.terminate(id, childId, versionMax)
    return this.answer(this.runner.stop(id).then(() => this.flushed()))
  }

  private answer(work: Promise<unknown>): typeof noReply {
    const { from } = this
    toOutcome(work).then(
      (outcome) => from && this.citadel.reply(from, outcome),
      (error) => this.citadel.exit(this.self, { error }),
    )
    return noReply
  }
}
