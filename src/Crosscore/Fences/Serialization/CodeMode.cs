namespace Crosscore.Code;

/// <summary>
/// Which guarantees to rely on when code changes while threads execute it: documented ones, or measured behavior.
/// </summary>
public enum CodeMode
{
    /// <summary>
    /// Relies on the manuals: a core may execute what it fetched before until it executes a serializing instruction.
    /// AMD's manual promises that a store within an aligned 8 bytes is fetched whole (APM vol. 2, 7.6.1). Intel's
    /// promises that of no store, not even of one byte: it requires a core that may be executing the code to wait and
    /// to serialize first (SDM vol. 3, 9.1.3, in older editions 8.1.3), so there every change uses a breakpoint. That a
    /// breakpoint itself may be stored over the first byte of an instruction is what Linux does; no manual promises it.
    /// Of kernels, relies on what the manual pages promise and the release is known to keep.
    /// </summary>
    Strict,

    /// <summary>
    /// Relies on what processors and kernels were measured to do, though none promises it: instruction fetch follows
    /// stores, a store within an aligned 8 bytes is fetched whole, and a page is exchanged whole. Faster in places, and
    /// possible where strict mode refuses. docs/code.md has the measurements; on a processor that was not measured code
    /// is written as in strict mode.
    /// </summary>
    [System.Diagnostics.CodeAnalysis.Experimental("CROSSCORE001")]
    Measured,
}
