/**
 * What the mesh tells the layers above it: who is a member (a Citadel node), and how it is. The
 * difference between unreachable and dead is `docs/architecture.md`, "Unreachable is not dead".
 */
import type { Capability } from './capability.js'

export type MeshEvent =
  /** A Citadel node is connected and has sent its capability. Also after it was unreachable or dead. */
  | { type: 'up'; node: string; creation: number; capability: Capability }
  /** It sent a new capability (other modules, another weight). */
  | { type: 'changed'; node: string; creation: number; capability: Capability }
  /** Its connection is gone or silent. Its rows stay; it may come back. */
  | { type: 'unreachable'; node: string; creation: number }
  /**
   * It will not come back as this creation, or all members agree that it is gone, or it said goodbye.
   * `certain`: another start of it answers, or it said goodbye itself; a silent one, or one whose
   * address refuses, might still run behind a cut.
   */
  | { type: 'dead'; node: string; creation: number; certain: boolean }
  /** A node that is no Citadel node came or went. */
  | { type: 'beamUp'; node: string }
  | { type: 'beamDown'; node: string }
