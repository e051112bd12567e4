/** Chance as the rest of the node sees it. Seeded in the simulator, from the system otherwise. */
export interface Random {
  /** An integer from 0 to 2^32 - 1, unpredictable to others on the system source. */
  uint32(): number
  /** A number from 0 (included) to 1 (excluded). */
  float(): number
}
