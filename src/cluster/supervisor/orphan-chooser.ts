/** Which of the children without a runner a node is to start, by what it knows now. */

import type { Scopes } from '../scopes/scopes.js'
import type { Scope } from '../tables/scope.js'
import type { NodeChooser, SupervisorMembers } from './supervisor-members.js'

export function orphanChooser(
  { replica }: Scope<'c'>,
  { table }: Scope<'s'>,
  { scopes, members }: { readonly scopes: Scopes; readonly members: SupervisorMembers },
  isHere: (id: string) => boolean,
  failed: (error: unknown) => void,
): (id: string) => boolean {
  // Until the claims of a member have come, what it runs looks like an orphan.
  if (!scopes.reachable().every((node) => replica.caughtUp(node))) return () => false
  const nodeFor: NodeChooser = members.chooser()
  return (id) => {
    const recipe = table.rows.get(id)?.recipe
    if (!recipe) return false
    const { module, avoid } = recipe
    // Asked also for those that are being started: a sticky placement counts what it gives to whom.
    try {
      const node = nodeFor(id, module, avoid && { avoid })
      return node === scopes.node && !isHere(id)
    } catch (error) {
      failed(error)
      return false
    }
  }
}
