/** The process by which the other members of a distributed supervisor reach this node's share of it. */

import { MemberServer } from '../../kernel/member-server.js'
import { badRequest } from '../../kernel/remote-outcome.js'
import type { noReply } from '../../process/request.js'
import { Pid } from '../../term/pid.js'
import type { ChildEvent, ChildEvents } from '../children/child-events.js'
import { isOffer } from '../handoff/handoff-offer.js'
import { isCount, isSpan } from '../replication/wire-check.js'
import { type ChildRecipe, isRecipe } from '../tables/spec-table.js'
import type { ChildRunner } from './child-runner.js'
import type { Rebalancer } from './rebalancer.js'

/** How long a start may take, unless the one who asks says. */
const START_MS = 5_000

/** The local name of that process. */
export const supervisorServerName = (supervisor: string): string =>
  `citadel_supervisor_${supervisor}`

export interface SupervisorShare {
  readonly runner: ChildRunner
  readonly rebalancer: Rebalancer
  readonly events: ChildEvents
  flushed(): Promise<void>
}

export class SupervisorServer extends MemberServer {
  static readonly callable = [
    'start',
    'terminateChild',
    'flush',
    'takeOver',
    'released',
    'merge',
    'move',
    'plan',
    'rebalance',
    'event',
  ]
  private share!: SupervisorShare

  override init(share: SupervisorShare): void {
    this.share = share
  }

  start(
    id: string,
    childId: unknown,
    recipe: ChildRecipe,
    versionMax: number,
    timeoutMs = START_MS,
  ): typeof noReply {
    if (typeof id !== 'string' || !isRecipe(recipe) || !isCount(versionMax) || !isSpan(timeoutMs)) {
      return this.answer(() => badRequest('start'))
    }
    const { runner } = this.share
    return this.answer(() =>
      runner.start({ id, childId, recipe, timeoutMs }, versionMax).then(async (pid) => {
        await this.share.flushed()
        return pid ?? null
      }),
    )
  }

  terminateChild(id: string, childId: unknown, versionMax: number): typeof noReply {
    if (typeof id !== 'string' || !isCount(versionMax)) {
      return this.answer(() => badRequest('terminateChild'))
    }
    return this.answer(() => this.share.runner.end(id, childId, versionMax).then(() => null))
  }

  /** Who gets the answer has what this node had written when it was asked. */
  flush(): typeof noReply {
    return this.answer(() => this.share.flushed().then(() => null))
  }

  /** Another node hands a child over. */
  takeOver(offer: unknown): typeof noReply {
    if (!isOffer(offer)) return this.answer(() => badRequest('takeOver'))
    return this.answer(() =>
      this.share.runner.takeOver(offer).then(async (pid) => {
        await this.share.flushed()
        return pid
      }),
    )
  }

  /** Where a child that has left is, all members know. */
  released(id: unknown, epoch: unknown, pid: unknown): void {
    const isOurs = pid instanceof Pid && pid.node === this.citadel.name
    if (typeof id === 'string' && isCount(epoch) && isOurs) {
      this.share.runner.released(id, epoch as number, pid)
    }
  }

  /** The state of a child that has lost its id to one of this node. */
  merge(id: unknown, from: unknown, state: unknown): typeof noReply {
    if (typeof id !== 'string' || !(from instanceof Pid))
      return this.answer(() => badRequest('merge'))
    return this.answer(() => this.share.runner.merge(id, state).then(() => null))
  }

  move(id: unknown, to: unknown): typeof noReply {
    if (typeof id !== 'string' || typeof to !== 'string')
      return this.answer(() => badRequest('move'))
    return this.answer(() => this.share.runner.move(id, to).then((reason) => reason === undefined))
  }

  plan(): typeof noReply {
    return this.answer(() => this.share.rebalancer.plan())
  }

  rebalance(): typeof noReply {
    return this.answer(() => this.share.rebalancer.rebalance())
  }

  event(event: unknown): void {
    if (typeof event === 'object' && event !== null && 'type' in event) {
      this.share.events.take(event as ChildEvent)
    }
  }
}
