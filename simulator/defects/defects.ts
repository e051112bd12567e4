/**
 * Mistakes made on purpose, to show that the simulator would see them: each changes one method of
 * one real class, in the simulator's own process only. Nothing in the library knows of them.
 */

import { Home } from '../../src/cluster/arbiters/mesh-home.js'
import { InStream } from '../../src/cluster/replication/in-stream.js'
import { Replica } from '../../src/cluster/replication/replica.js'
import type { Put } from '../../src/cluster/replication/table.js'
import { Orphans } from '../../src/cluster/supervisor/orphans.js'
import { Monitors } from '../../src/kernel/monitors.js'
import { CLUSTER_DEFECTS } from './cluster-defects.js'
import { type Defect, replace } from './defect.js'
import { HANDOFF_DEFECTS } from './handoff-defects.js'
import { OUTCOME_DEFECTS } from './outcome-defects.js'
import { PROCESS_DEFECTS } from './process-defects.js'

const staleUpdate: Defect = {
  name: 'stale-update',
  what: 'A replica applies updates that it has applied before, as if they were new.',
  plant: () =>
    replace(
      InStream,
      'known',
      (right) =>
        function (this: InStream, ...args: never[]) {
          return right.apply(this, args) === undefined ? undefined : 0
        },
    ),
}

/** One orphan of so many is dropped. */
const DROPPED_EVERY = 5

const orphanDropped: Defect = {
  name: 'orphan-dropped',
  what: `One of ${DROPPED_EVERY} times that a node is to adopt a child without a runner, it forgets it.`,
  plant: () => {
    let adoptions = 0
    return replace(
      Orphans,
      'adoptOne',
      (right) =>
        function (this: { ids: Set<string> }, ...args: never[]) {
          if (++adoptions % DROPPED_EVERY !== 0) return right.apply(this, args)
          return this.ids.delete(args[0] as unknown as string)
        },
    )
  },
}

const grantedTwice: Defect = {
  name: 'granted-twice',
  what: 'A home forgets what it has granted until the claim arrives, so two can get the same key.',
  plant: () =>
    replace(
      Home,
      'taken',
      (right) =>
        function (this: unknown, ...args: never[]) {
          const table = args[0] as unknown as { reserved: Map<string, unknown> }
          table.reserved.clear()
          return right.apply(this, args)
        },
    ),
}

/** One Down of so many is lost. */
const LOST_EVERY = 3

const downLost: Defect = {
  name: 'down-lost',
  what: `One Down of ${LOST_EVERY} that another node sends is not told to the process that waits for it.`,
  plant: () => {
    let heard = 0
    return replace(
      Monitors,
      'heardDown',
      (right) =>
        function (this: Monitors, ...args: never[]) {
          return ++heard % LOST_EVERY === 0 ? true : right.apply(this, args)
        },
    )
  },
}

/** How many updates old a snapshot may be that is sent once more. */
const OLD_UPDATES = 8

const lateSnapshot: Defect = {
  name: 'late-snapshot',
  what: 'A snapshot taken earlier is sent as if it were of now, without the updates in between.',
  plant: () => {
    const taken = new WeakMap<Replica, { puts: Put[]; seq: number }>()
    return replace(
      Replica,
      'need',
      (right) =>
        function (this: Replica, ...args: never[]) {
          const { table, out } = this
          const old = taken.get(this)
          if (old && out.seq - old.seq < OLD_UPDATES) {
            const snapshot = table.snapshot
            table.snapshot = () => old.puts
            try {
              return right.apply(this, args)
            } finally {
              table.snapshot = snapshot
            }
          }
          taken.set(this, { puts: [...table.snapshot()], seq: out.seq })
          return right.apply(this, args)
        },
    )
  },
}

export const DEFECTS: readonly Defect[] = [
  staleUpdate,
  orphanDropped,
  grantedTwice,
  downLost,
  lateSnapshot,
  ...HANDOFF_DEFECTS,
  ...CLUSTER_DEFECTS,
  ...PROCESS_DEFECTS,
  ...OUTCOME_DEFECTS,
]

export function defectNamed(name: string): Defect {
  const defect = DEFECTS.find((one) => one.name === name)
  if (defect) return defect
  const names = DEFECTS.map((one) => one.name).join(', ')
  throw new Error(`there is no defect "${name}"; choose one of ${names}`)
}
