/**
 * Mistakes that were there once, and passed a million seeds while any refusal was taken for possible:
 * see `defects.ts`. Each is the old behaviour.
 */
import { CitadelError } from '../../src/base/errors.js'
import { alreadyStarted } from '../../src/cluster/children/child.js'
import { Arrivals } from '../../src/cluster/handoff/arrivals.js'
import { ComingKeys } from '../../src/cluster/registry/coming-keys.js'
import { ChildRunner } from '../../src/cluster/supervisor/child-runner.js'
import { ChildStarter } from '../../src/cluster/supervisor/child-starter.js'
import { ChildStarts, type StartWish } from '../../src/cluster/supervisor/child-starts.js'
import type { Claim } from '../../src/cluster/tables/claim.js'
import { Calls } from '../../src/kernel/calls.js'
import { Core } from '../../src/kernel/core.js'
import type { RemoteOutcome } from '../../src/kernel/remote-outcome.js'
import type { Process } from '../../src/process/process.js'
import { ServerProcess } from '../../src/process/server-process.js'
import { Ref } from '../../src/term/ref.js'
import { type Defect, replace } from './defect.js'

type Args = never[]

function all(...mends: (() => void)[]): () => void {
  return () => {
    for (const mend of mends) mend()
  }
}

const startsApart: Defect = {
  name: 'starts-apart',
  what: 'Two starts of an id in one turn pass the same gate, and the second is told of a timeout.',
  plant: () =>
    all(
      replace(
        ChildStarts,
        'start',
        () =>
          async function (this: ChildStarts, ...args: Args) {
            const wish = args[0] as unknown as StartWish
            const { id, childId, recipe, timeoutMs } = wish
            await this['underWay'].get(id)?.catch(() => undefined)
            const running = this['runningAs'](wish)
            if (running) return { pid: running, isNew: false }
            const { node: author } = this['parts'].scopes
            const spec = { id, childId, recipe, version: 0, author, learnedAt: 0 }
            const pid = await this['begin'](id, this['run'](spec, true, timeoutMs))
            return pid && { pid, isNew: true }
          },
      ),
      replace(
        ChildStarter,
        'startOn',
        (right) =>
          async function (this: ChildStarter, ...args: Args) {
            const outcome = (await right.apply(this, args)) as unknown as RemoteOutcome<unknown>
            if (!outcome.ok || outcome.value) return outcome
            throw new CitadelError('timeout', 'a grant of which no use was made')
          },
      ),
    ),
}

const endUnheard: Defect = {
  name: 'end-unheard',
  what: 'The end of a child is acknowledged before all know of it, and a start is refused by what its own node knows.',
  plant: () =>
    all(
      replace(
        ChildRunner,
        'end',
        () =>
          async function (this: ChildRunner, ...args: Args) {
            const [id, childId, versionMax] = args as unknown as [string, unknown, number]
            this.terminate(id, childId, versionMax)
            await this.stop(id)
          },
      ),
      replace(
        ChildStarter,
        'place',
        (right) =>
          function (this: ChildStarter, ...args: Args) {
            const { id, childId, recipe } = args[0] as unknown as StartWish
            const { claims, specs } = this['parts']
            const running = claims.table.find(id)?.pid
            if (running && specs.table.rows.get(id)?.recipe?.token !== recipe.token) {
              throw alreadyStarted(childId, running)
            }
            return right.apply(this, args)
          },
      ),
    ),
}

const tokenLate: Defect = {
  name: 'token-late',
  what: 'A child that has moved reads the epoch of the owner before, until it has begun.',
  plant: () => replace(Arrivals, 'epoch', () => () => undefined),
}

const keyTokenLate: Defect = {
  name: 'key-token-late',
  what: 'A child that has moved reads the epoch that its key had before, until the key has come.',
  plant: () => replace(ComingKeys, 'epochOf', () => (claim: Claim) => claim.epoch),
}

const helpersStay: Defect = {
  name: 'helpers-stay',
  what: 'What a child has spawned for itself goes on where it was when the child moves.',
  plant: () =>
    replace(
      ServerProcess,
      'moveAway',
      (right) =>
        function (this: ServerProcess, ...args: Args) {
          for (const other of (this.knownTies?.links ?? []) as Iterable<Process>) {
            if (other.knownTies) other.knownTies.parent = undefined
          }
          return right.apply(this, args)
        },
    ),
}

const lateAnswer: Defect = {
  name: 'late-answer',
  what: 'References count from 1 at each start, and an answer to the call of an earlier start counts.',
  plant: () => {
    const counts = new WeakMap<Core, number>()
    return all(
      replace(
        Core,
        'newRef',
        (right) =>
          function (this: Core, ...args: Args) {
            const { node, creation } = right.apply(this, args) as Ref
            const count = (counts.get(this) ?? 0) + 1
            counts.set(this, count)
            return new Ref(node, creation, [count, 0, 0])
          },
      ),
      replace(
        Core,
        'keyOf',
        () =>
          function (this: Core, ...args: Args) {
            const ref = args[0] as unknown as Ref
            return ref.node === this.name ? ref.words[0]! : ref.toString()
          },
      ),
    )
  },
}

const answerOfAnybody: Defect = {
  name: 'answer-of-anybody',
  what: 'An answer counts from whichever node it comes.',
  plant: () =>
    replace(
      Calls,
      'replied',
      (right) =>
        function (this: Calls, ...args: Args) {
          const [ref, value] = args as unknown as [Ref, unknown]
          // As if a process of this node spoke for the one that was asked.
          return right.apply(this, [ref, value, ref.node] as unknown as Args)
        },
    ),
}

export const OUTCOME_DEFECTS: readonly Defect[] = [
  startsApart,
  endUnheard,
  tokenLate,
  keyTokenLate,
  helpersStay,
  lateAnswer,
  answerOfAnybody,
]
