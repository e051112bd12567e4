/**
 * Mistakes made on purpose in membership, views, claims, conflicts, replicas and discovery: see
 * `defects.ts`.
 */

import { ClaimAttempts } from '../../src/cluster/arbiters/claim-attempts.js'
import type { ClaimAnswer, ClaimRequest } from '../../src/cluster/arbiters/claim-message.js'
import { Home } from '../../src/cluster/arbiters/mesh-home.js'
import { LostChildren } from '../../src/cluster/handoff/lost-children.js'
import { KeyConflicts } from '../../src/cluster/registry/key-conflicts.js'
import { Replica } from '../../src/cluster/replication/replica.js'
import { Restarts } from '../../src/cluster/supervisor/restarts.js'
import type { Claim } from '../../src/cluster/tables/claim.js'
import { ClaimOrder } from '../../src/cluster/tables/claim-order.js'
import { ClaimTable } from '../../src/cluster/tables/claim-table.js'
import { SpecTable } from '../../src/cluster/tables/spec-table.js'
import type { Discovery } from '../../src/discovery/discovery.js'
import { Membership } from '../../src/mesh/membership.js'
import { Node } from '../../src/node.js'
import { type Defect, replace } from './defect.js'

type Args = never[]
type Right = (...args: Args) => unknown

const resetKills: Defect = {
  name: 'reset-kills',
  what: 'A member whose connection closes is held for dead at once.',
  plant: () =>
    replace(
      Membership,
      'lost',
      (right) =>
        function (this: Membership, ...args: Args) {
          right.apply(this, args)
          const [node, , now] = args as unknown as [string, number, number]
          this['bury'](node, 'silent', now)
        },
    ),
}

const deadRowsStay: Defect = {
  name: 'dead-rows-stay',
  what: 'The rows of a node that is dead are not removed.',
  plant: () =>
    replace(
      Replica,
      'memberDead',
      () =>
        function (this: Replica, ...args: Args) {
          this.memberDown(args[0] as unknown as string)
        },
    ),
}

const epochStands: Defect = {
  name: 'epoch-stands',
  what: 'The epochs that a home grants do not rise.',
  plant: () => {
    const mends = [
      replace(
        Home,
        'answer',
        (right) =>
          function (this: Home, ...args: Args) {
            const answer = right.apply(this, args) as ClaimAnswer
            if (answer[1] !== 'granted') return answer
            const request = args[2] as unknown as ClaimRequest
            this['tables'](request[2]).epochMax--
            return [answer[0], 'granted', Math.max(1, (answer[2] as number) - 1), answer[3]]
          },
      ),
      replace(ClaimTable, 'sawEpoch', () => () => undefined),
    ]
    return () => {
      for (const mend of mends) mend()
    }
  },
}

const forcedUnheard: Defect = {
  name: 'forced-unheard',
  what: 'Whoever loses a key, by force or after a split, keeps it: nobody acts on a lost conflict.',
  plant: () => replace(KeyConflicts, 'lost', () => () => true),
}

const loserLives: Defect = {
  name: 'loser-lives',
  what: 'Of a child that a split has started twice the loser is not stopped.',
  plant: () => replace(LostChildren, 'giveUp', () => () => undefined),
}

const bothGiveUp: Defect = {
  name: 'both-give-up',
  what: 'After a split each side takes the other one for the winner, and gives the key up.',
  plant: () =>
    replace(
      ClaimTable,
      'link',
      (right) =>
        function (this: ClaimTable, ...args: Args) {
          const linked = right.apply(this, args) as Claim | Claim[]
          if (!Array.isArray(linked) || linked[0]?.origin !== this.own) return linked
          linked.push(linked.shift()!)
          return linked
        },
    ),
}

const noOrder: Defect = {
  name: 'no-order',
  what: 'Of several owners of a key each node names the one whose claim it has heard last.',
  plant: () =>
    replace(
      ClaimOrder,
      'rank',
      () =>
        (...args: Args) =>
          (args[0] as unknown as Claim[]).reverse(),
    ),
}

const ownUnseen: Defect = {
  name: 'own-unseen',
  what: 'A node that is granted a key does not look whether it knows an owner that the home does not.',
  plant: () =>
    replace(
      ClaimAttempts,
      'granted',
      (right) =>
        function (this: object, ...args: Args) {
          const attempt = args[0] as unknown as { claim: { force: boolean } }
          const { claim } = attempt
          attempt.claim = Object.create(claim, { force: { value: true } })
          try {
            return right.apply(this, args)
          } finally {
            attempt.claim = claim
          }
        },
    ),
}

const tombstoneLost: Defect = {
  name: 'tombstone-lost',
  what: 'That a child was terminated is forgotten within seconds, not after a day.',
  plant: () =>
    replace(
      SpecTable,
      'forgetTombstones',
      (right) =>
        function (this: SpecTable) {
          return right.call(this, Number.POSITIVE_INFINITY as never)
        },
    ),
}

/** One row of so many is left out. */
const LEFT_OUT_EVERY = 10

const snapshotHoles: Defect = {
  name: 'snapshot-holes',
  what: `One of ${LEFT_OUT_EVERY} rows is left out of snapshots.`,
  plant: () => {
    let taken = 0
    return replace(
      Replica,
      'take',
      (right) =>
        function (this: Replica, ...args: Args) {
          const puts = right.apply(this, args) as unknown[]
          return puts.filter(() => ++taken % LEFT_OUT_EVERY !== 0)
        },
    )
  },
}

/** One crash of so many is not followed by a start. */
const FORGOTTEN_EVERY = 4

const restartForgotten: Defect = {
  name: 'restart-forgotten',
  what: `One of ${FORGOTTEN_EVERY} children that have crashed is not started again.`,
  plant: () => {
    let crashes = 0
    return replace(
      Restarts,
      'restart',
      (right) =>
        function (this: Restarts, ...args: Args) {
          return ++crashes % FORGOTTEN_EVERY === 0 ? undefined : right.apply(this, args)
        },
    )
  },
}

const restartTwice: Defect = {
  name: 'restart-twice',
  what: `One of ${FORGOTTEN_EVERY} children that have crashed is started twice.`,
  plant: () => {
    let crashes = 0
    return replace(
      Restarts,
      'again',
      (right) =>
        function (this: Restarts, ...args: Args) {
          right.apply(this, args)
          return ++crashes % FORGOTTEN_EVERY === 0 ? right.apply(this, args) : undefined
        },
    )
  },
}

const LOOK_MS = 1_000

const discoveryKills: Defect = {
  name: 'discovery-kills',
  what: 'A node disconnects who is not listed by its discovery.',
  plant: () =>
    replace(
      Node,
      'makeConnector',
      (right: Right) =>
        function (this: Node, ...args: Args) {
          const { clock } = this['world']
          const discovery = args[0] as unknown as Discovery
          const look = async (): Promise<void> => {
            const listed = await discovery.members().catch(() => [])
            const names = new Set(listed.map(({ name }) => name))
            for (const name of this.nodes()) if (!names.has(name)) this.disconnect(name)
            clock.after(LOOK_MS, () => void look())
          }
          clock.after(LOOK_MS, () => void look())
          return right.apply(this, args)
        },
    ),
}

export const CLUSTER_DEFECTS: readonly Defect[] = [
  resetKills,
  deadRowsStay,
  epochStands,
  ownUnseen,
  forcedUnheard,
  loserLives,
  bothGiveUp,
  noOrder,
  tombstoneLost,
  snapshotHoles,
  restartForgotten,
  restartTwice,
  discoveryKills,
]
