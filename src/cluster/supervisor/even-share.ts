/**
 * What this node is to give away, so that the members of a supervisor whose placement counts are even:
 * its part of the plan that all of them make from the same claims (`even-plan.ts`).
 */

import { inSlices } from '../../base/slices.js'
import type { World } from '../../base/world.js'
import type { Child } from '../children/child.js'
import { EvenPlan, type Flow, kindOf } from '../placement/even-plan.js'
import type { Scopes } from '../scopes/scopes.js'
import type { Claim } from '../tables/claim.js'
import type { Scope } from '../tables/scope.js'
import type { ChildRunner } from './child-runner.js'
import type { EvenChooser, SupervisorMembers } from './supervisor-members.js'

export interface EvenShareParts {
  readonly runner: ChildRunner
  readonly members: SupervisorMembers
  readonly scopes: Scopes
  readonly claims: Scope<'c'>
  readonly specs: Scope<'s'>
  readonly world: World
}

export interface Planned {
  readonly child: Child
  readonly to: string
}

/** A flow, and how many of its children are still to be named. */
interface Open {
  readonly to: string
  left: number
}

/** How long the claims of a member that has just come are waited for. */
const TABLES_MS = 2_000
const LOOK_MS = 20

export class EvenShare {
  /** How many more would have been planned last time, had they run, or their new node been there. */
  unready = 0

  constructor(private readonly parts: EvenShareParts) {}

  /** Without those in `except`, in whose place others go. */
  async planned(except: ReadonlySet<string>): Promise<Planned[]> {
    this.unready = 0
    const { members } = this.parts
    const { maxSkew } = members
    if (maxSkew === undefined) return []
    if (!(await this.knowsAll())) {
      this.unready = 1
      return []
    }
    const even = members.evenChooser()
    const flows = (await this.count(even)).flows(maxSkew)
    return this.name(even, flows, except)
  }

  /** Until the claims of a member have come, it looks empty. */
  private async knowsAll(): Promise<boolean> {
    const { scopes, claims, world } = this.parts
    const { clock } = world
    const deadline = clock.now() + TABLES_MS
    while (!scopes.reachable().every((node) => claims.replica.caughtUp(node))) {
      if (clock.now() >= deadline) return false
      await new Promise<void>((resolve) => clock.after(LOOK_MS, resolve))
    }
    return true
  }

  /** Nothing but what all nodes know counts here: they are to make the same plan. */
  private async count(even: EvenChooser): Promise<EvenPlan> {
    const { claims, specs, world } = this.parts
    const plan = new EvenPlan()
    await inSlices(world.clock, [...claims.table.owners()], ({ id, origin: { node } }: Claim) => {
      const recipe = specs.table.rows.get(id)?.recipe
      if (!recipe) return plan.add({ node, takers: [], isMovable: false })
      const { module, avoid } = recipe
      const takers = even.takers(module, avoid)
      const isMovable = takers.length > 0 && even.mayLeave(id, node, module)
      plan.add({ node, takers, isMovable })
    })
    return plan
  }

  private async name(
    even: EvenChooser,
    flows: readonly Flow[],
    except: ReadonlySet<string>,
  ): Promise<Planned[]> {
    const { runner, scopes, world } = this.parts
    const open = new Map<string, Open[]>()
    for (const { kind, from, to, count } of flows) {
      if (from !== scopes.node) continue
      const opened = open.get(kind) ?? []
      open.set(kind, [...opened, { to, left: count }])
    }
    const planned: Planned[] = []
    if (open.size === 0) return planned
    await inSlices(world.clock, [...runner.local()].sort(byId), (child) => {
      const { id, recipe } = child
      if (!child.pid || child.moving || child.stopping || except.has(id)) return
      if (!even.mayLeave(id, scopes.node, recipe.module)) return
      const kind = kindOf(even.takers(recipe.module, recipe.avoid))
      const flow = open.get(kind)?.find(({ to, left }) => left > 0 && scopes.isUp(to))
      if (!flow) return
      flow.left--
      planned.push({ child, to: flow.to })
    })
    for (const opened of open.values()) for (const { left } of opened) this.unready += left
    return planned
  }
}

const byId = (a: Child, b: Child): number => (a.id < b.id ? -1 : 1)
