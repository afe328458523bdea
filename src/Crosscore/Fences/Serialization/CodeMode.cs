namespace Crosscore.Code;

/// <summary>Whose word is relied on where code changes under the threads that execute it.</summary>
public enum CodeMode
{
    /// <summary>
    /// The manuals': a core may run what it fetched before until it executes a serialising instruction. AMD's
    /// promises that a store within an aligned 8 bytes is fetched whole (APM vol. 2, 7.6.1). Intel's promises that of
    /// no store, not even of one byte: for code that another core may be executing it asks that core to wait and to
    /// serialise first (SDM vol. 3, 9.1.3, in older editions 8.1.3), so there every change goes by a breakpoint. That
    /// a breakpoint itself may be stored over the first byte of an instruction is what Linux does, and no manual's
    /// promise. Of kernels, what the manual pages promise and the release is known to keep.
    /// </summary>
    Strict,

    /// <summary>
    /// What processors and kernels were measured to do, though none promises it: instruction fetch follows stores, a
    /// store within an aligned 8 bytes is fetched whole, and a page is exchanged whole. Faster in places, and possible
    /// where strict mode refuses. docs/code.md has the measurements; on a processor that was not measured stores are
    /// written as in strict mode.
    /// </summary>
    [System.Diagnostics.CodeAnalysis.Experimental("CROSSCORE001")]
    Measured,
}
