/**
 * What must hold in every scenario, as numbered sentences: the checkers name them when they are
 * broken, and docs/simulator.md says for each what it allows and why.
 */
export const INVARIANTS = {
  I1: 'After the quiet phase all nodes that are up hold the same registry, groups, specs and children.',
  I2: 'After the quiet phase no row names a process that has ended, or any process of a dead node.',
  I3: 'A key is never granted while another member owns it, but by force or over exactly the epoch of that owner, as long as all members agree who they are.',
  I4: 'After the quiet phase each child that was started and not terminated runs exactly once, on the node it belongs on, and a terminated one nowhere.',
  I5: 'An owner of a key gets a higher epoch than every owner before it that a member remembers.',
  I6: 'Every monitor and link is told once when its other side ends or is cut off, and every call is answered or rejected once, within its deadline.',
  I7: 'A node that only stalls for less than the limit, or whose connections are reset, is never declared dead; nor is a healthy one by a sick one.',
  I8: 'The rows of a node are applied in the order in which it wrote them, and messages between two processes, or to a child that moves, arrive once and in order.',
  I9: 'What was acknowledged for a living process, a key or a membership, stays until it is taken back or taken over.',
  I10: 'After the quiet phase nothing is left behind: no pending call, claim, reservation, snapshot, message or timer, and no move that has begun.',
  I11: 'A node always starts, always stops, and never logs an error of its own.',
  I12: 'An acknowledged call to a child is in its state, once, as long as neither its node has died nor it crashed, was stopped or gave nothing since, however often it moved.',
  I13: 'A child works in one place at a time: its successor handles nothing before it is granted the child, and the old process nothing afterwards.',
  I14: 'While nothing fails, no move and no drain ends a child or loses its state, and no call to a child by its handle or its key.',
  I15: 'With a quorum, at most one process that owns a key or is a child of one id starts to handle a message at any instant, partitions included.',
  I16: 'Whatever happens to Redis, no node is held for dead, no connection goes down, no node and no process ends.',
  I17: 'What is meant for a process of an earlier start of a node never reaches one of a later start.',
  I18: 'Five seconds after the last fault is over all nodes are connected and name the same owners, no key is lost, and nothing runs twice.',
  I19: 'Ten seconds after the last fault, and on the larger side of a partition, every node gets keys and starts children.',
  I20: 'In a quiet time each operation ends soon, and only in a way that has a cause: nobody is told of a timeout, or that somebody cannot be reached.',
  I21: 'In a quiet time some order of the operations on a key or an id explains all their outcomes, each taking effect between its call and its end.',
  I22: 'Nothing that a user does, and nothing that a node is sent, leads to an uncaught exception or an unhandled rejection.',
  I23: 'A call is answered by whom it asked, and with the answer to its own question.',
  I24: 'A child that moves has its own token from the first line of init on: no store refuses what the latest instance writes.',
  I25: 'What a child has spawned with a link ends with its instance: in a quiet time each has its own, and there is nothing of earlier ones.',
} as const

export type InvariantId = keyof typeof INVARIANTS

export interface Breach {
  readonly invariant: InvariantId
  readonly what: string
  /** Virtual milliseconds. */
  readonly at: number
}
