/** What the harness has to know of the memory. */
export interface Layout {
  readonly WORD: number;
  readonly HEADER_CELLS: number;
  readonly SLOT_CELLS: number;
  readonly THREAD: number;
  readonly TICKET: number;
  readonly WAKE_UPS: number;
  readonly FIRST_TOKEN: number;
  readonly TOKENS: number;
  readonly IN_USE: number;
  readonly PREPARING: number;
  readonly STATE_BITS: number;
}
